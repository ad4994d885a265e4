import { setTimeout as delay } from 'node:timers/promises';

const DEADLINE_SECONDS = 60;
const POLL_MS = 10;

/** The promise's value, or an error that says what was waited for when it takes longer than a minute. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(DEADLINE_SECONDS * 1000, null, { signal: over.signal }).then(() => {
    throw new Error(`Not within ${DEADLINE_SECONDS} s: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}

/** Looks again and again until there is something. For what does not say by itself that it has happened; its time must not be what is measured. */
export async function found<T>(what: string, look: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = performance.now() + DEADLINE_SECONDS * 1000;
  for (;;) {
    const value = await look();
    if (value !== null) return value;
    if (performance.now() > deadline) throw new Error(`Not within ${DEADLINE_SECONDS} s: ${what}`);
    await delay(POLL_MS);
  }
}
