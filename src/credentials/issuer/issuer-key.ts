/** What the choice of a key depends on. */
export interface KeyTimes {
  createdAt: Date;
  /** From then on it signs, until the next one does. */
  signsFrom: Date;
}

/** An assertion is good for so long after it was made. */
export const ASSERTION_SECONDS = 540;
/** It is dated back by so much: a clock that is a little ahead of the provider's, which allows 30 seconds (providers.md 2.2), must not make it one of the future. */
export const BACKDATED_SECONDS = 60;

/** A key is published for so long before it signs: the provider asks for 15 minutes (providers.md 2.3); the rest is for whoever keeps a page for long, and for clocks. */
export const AHEAD_SECONDS = 3600;
/** Published for so long after the next one signs: the last assertion, clocks, and processes that stood still in between. */
const BEHIND_SECONDS = 3600;

/**
 * Of keys with the oldest first, the one that signs at this moment: the last whose time has come. Where no time has come (the clock of who made the first one is ahead of ours) it is the
 * first. Null without any.
 */
export function signingKey<K extends KeyTimes>(keys: readonly K[], now: Date): K | null {
  return keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys[0] ?? null;
}

/** Those that people who check signatures must know: the one that signs, those that will, and those whose signatures may still be about. */
export function publishedKeys<K extends KeyTimes>(keys: readonly K[], now: Date): K[] {
  return keys.filter((_, index) => !isOver(keys, index, now));
}

/** Those that nobody needs any more. */
export function keysThatAreOver<K extends KeyTimes>(keys: readonly K[], now: Date): K[] {
  return keys.filter((_, index) => isOver(keys, index, now));
}

function isOver(keys: readonly KeyTimes[], index: number, now: Date): boolean {
  const next = keys[index + 1];
  return next !== undefined && secondsBetween(next.signsFrom, now) >= BEHIND_SECONDS;
}

/** Whether the next key is to be made: there is none, or the newest signs for `days` already. With 0 days it is made by hand alone. */
export function isNextDue(keys: readonly KeyTimes[], now: Date, days: number): boolean {
  const newest = keys.at(-1);
  if (!newest) return true;
  return days > 0 && secondsBetween(newest.signsFrom, now) >= days * 86_400;
}

/** The newest key while it does not sign yet: a further one would only push it aside before its time. */
export function waitingKey<K extends KeyTimes>(keys: readonly K[], now: Date): K | null {
  const newest = keys.at(-1);
  return newest && keys.length > 1 && newest.signsFrom > now ? newest : null;
}

const secondsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000;
