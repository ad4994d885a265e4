/**
 * The shape of a loop through an account that looks like a person's: what Berth says is answered at once, again and again, and by nobody else. Nothing in a payload tells who writes with a person's own
 * token; how fast it is written does, where it is faster than anybody reads and writes. Agents that take their time for it are stopped by how much they ask (breaker.ts).
 */
export const atOnce = {
  /** What Berth says has to get there and be seen, and what is written has to get back. */
  seeSeconds: 3,
  /** Twice what a good typist does. */
  charactersPerSecond: 10,
  /** Longer texts may have been written before: to put them in takes no longer. */
  longestSeconds: 8,
} as const;

/** What was asked last in the same talk. */
export interface AskedBefore {
  askerId: string | null;
  /** How many times in a row it was asked at once, that time with them. */
  atOnce: number;
  /** When Berth last said to it what others see as new: its first word or its end. Null: it has said nothing yet. */
  answeredAt: Date | null;
}

/**
 * How many times in a row it is asked at once, this time with them; 0: not at once. Who writes before they were answered, or after somebody else, goes round in no circle.
 */
export function timesAtOnce(
  before: AskedBefore | null,
  { askerId, characters }: { askerId: string | null; characters: number },
  at: Date,
): number {
  if (before === null || askerId === null || before.askerId !== askerId || before.answeredAt === null)
    return 0;
  const { seeSeconds, charactersPerSecond, longestSeconds } = atOnce;
  const seconds = Math.min(longestSeconds, seeSeconds + characters / charactersPerSecond);
  return at.getTime() - before.answeredAt.getTime() < seconds * 1000 ? before.atOnce + 1 : 0;
}
