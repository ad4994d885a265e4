import { ClientGone } from './request-body.js';

/** Ends with the promise, or as `late` after so many milliseconds. Throws ClientGone as soon as `left` aborts: nobody waits any more. */
export function waitFor<T>(
  promise: Promise<T>,
  milliseconds: number,
  left: AbortSignal,
): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      left.removeEventListener('abort', leave);
    };
    const leave = (): void => {
      end();
      reject(new ClientGone('The client closed its connection.'));
    };
    const timer = setTimeout(() => {
      end();
      resolve('late');
    }, milliseconds);
    left.addEventListener('abort', leave);
    promise.finally(end).then(resolve, reject);
    if (left.aborted) leave();
  });
}

/** Waits so many milliseconds, as `waitFor` does. */
export async function pause(milliseconds: number, left: AbortSignal): Promise<void> {
  await waitFor(new Promise(() => undefined), milliseconds, left);
}
