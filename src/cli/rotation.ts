import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import type { Keys } from './wire.js';

const pollMilliseconds = 1_000;

/**
 * Waits until the rotation that `begun` shows is over, and answers the keys as they are then. Asked again and again: of keys no event tells.
 * @throws CliError (conflict) when a rotation to another key takes its place.
 */
export async function waitForRotation(
  context: CliContext,
  begun: Keys,
  look: () => Promise<Keys>,
): Promise<Keys> {
  const target = begun.rotation?.target ?? begun.sealingKey;
  for (let keys = begun; ; keys = await look()) {
    if (finished(keys, target)) return keys;
    context.progress.wait(`Rotation to "${target}": ${rowsLeft(keys, target)} rows are left`);
    await context.sleep(pollMilliseconds, context.signal);
  }
}

/** Whether it is over. Throws CliError when it never will be. */
export function finished({ rotation }: Keys, target: string): boolean {
  if (rotation?.target === target && rotation.state === 'running') return false;
  if (rotation?.target === target && rotation.state === 'finished') return true;
  throw new CliError(
    exitCodes.conflict,
    `Another rotation${rotation && rotation.target !== target ? `, to "${rotation.target}",` : ''} took the place of the one to "${target}". "berth keys show" says how far it is.`,
  );
}

/** What is not under the new key yet. */
export function rowsLeft({ keys }: Keys, target: string): number {
  const counts = keys.filter(({ id }) => id !== target).flatMap(({ rows }) => Object.values(rows));
  return counts.reduce((sum, count) => sum + count, 0);
}
