import type { Dispatcher } from 'undici';
import { textHeaders, type HeaderList } from './headers.js';
import type { Target } from './pools.js';
import type { UpstreamRequest } from './upstream-call.js';

export interface CollectedAnswer {
  status: number;
  headers: HeaderList;
  body: Buffer;
}

/** Sends a request and collects the whole answer. Rejects when there is none in time, or when it is larger than `maxBytes`. */
export function collectAnswer(
  target: Target,
  request: UpstreamRequest,
  bounds: { timeoutSeconds: number; maxBytes: number },
): Promise<CollectedAnswer> {
  return new Promise((resolve, reject) => {
    const answer: CollectedAnswer = { status: 0, headers: [], body: Buffer.alloc(0) };
    const chunks: Buffer[] = [];
    let size = 0;
    let controller: Dispatcher.DispatchController | undefined;
    const timer = setTimeout(() => {
      const late = new Error(`No answer within ${bounds.timeoutSeconds} s.`);
      controller?.abort(late);
      reject(late);
    }, bounds.timeoutSeconds * 1000);
    target.pool.dispatch(
      { ...request, path: target.basePath + request.path },
      {
        onRequestStart: (started) => void (controller = started),
        onResponseStart: (started, status) => {
          answer.status = status;
          answer.headers = textHeaders((started.rawHeaders ?? []) as (Buffer | string)[]);
        },
        onResponseData: (started, chunk) => {
          size += chunk.length;
          if (size > bounds.maxBytes) started.abort(new Error('The answer is too large.'));
          else chunks.push(chunk);
        },
        onResponseEnd: () => {
          clearTimeout(timer);
          resolve({ ...answer, body: Buffer.concat(chunks, size) });
        },
        onResponseError: (_controller, error) => {
          clearTimeout(timer);
          reject(error);
        },
      },
    );
  });
}
