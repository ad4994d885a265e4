import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 5;

/** Waits until something holds, and says what did not when it takes longer than `deadlineSeconds`. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineSeconds = 20,
  pollMs = POLL_MS,
): Promise<void> {
  const end = performance.now() + deadlineSeconds * 1000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineSeconds} s: ${what}`);
    await delay(pollMs);
  }
}
