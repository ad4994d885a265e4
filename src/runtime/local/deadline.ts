import { setTimeout as delay } from 'node:timers/promises';

/** The promise's result, or 'timeout' when it takes longer than `milliseconds`. The promise itself goes on. */
export async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | 'timeout'> {
  const timer = new AbortController();
  const late = delay(milliseconds, 'timeout' as const, { signal: timer.signal }).catch(
    () => 'timeout' as const,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Asks `condition` every few milliseconds until it holds (true) or the time is over (false). Monotonic time. */
export async function until(
  condition: () => boolean,
  milliseconds: number,
  everyMilliseconds = 25,
): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() >= end) return false;
    await delay(everyMilliseconds);
  }
  return true;
}
