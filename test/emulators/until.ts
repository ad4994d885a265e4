import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 10;

/** Waits until a condition holds. Rejects after `deadlineSeconds` with what was waited for. */
export async function until(what: string, holds: () => boolean, deadlineSeconds = 20): Promise<void> {
  const deadline = performance.now() + deadlineSeconds * 1000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineSeconds} s in vain for: ${what}`);
    await delay(POLL_MILLISECONDS);
  }
}
