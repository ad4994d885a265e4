import { z } from 'zod';

/** One attempt of GitHub's to deliver something. Each further one of the same has the same guid. */
export const attemptSchema = z.object({
  id: z.number(),
  guid: z.string(),
  delivered_at: z.coerce.date(),
});
export type Attempt = z.output<typeof attemptSchema>;

/** What did not come through so often will not: its body is too large, or nobody here can read it. */
const MOST_ATTEMPTS = 4;
/** One that was asked for a moment ago may be on its way. */
const YOUNG_MS = 30_000;

/** Which failed attempts are to be made again, the oldest first; of what did not come (`known`), each once. */
export function toRedeliver(attempts: readonly Attempt[], known: ReadonlySet<string>, now: Date): number[] {
  const byGuid = new Map<string, Attempt[]>();
  for (const attempt of attempts) byGuid.set(attempt.guid, [...(byGuid.get(attempt.guid) ?? []), attempt]);
  return [...byGuid]
    .filter(([guid, made]) => !known.has(guid) && made.length < MOST_ATTEMPTS)
    .map(([, made]) => made.toSorted((one, other) => one.id - other.id))
    .filter((made) => now.getTime() - (made.at(-1)?.delivered_at.getTime() ?? 0) > YOUNG_MS)
    .sort((one, other) => timeOf(one) - timeOf(other))
    .flatMap((made) => made.at(-1)?.id ?? []);
}

function timeOf([first]: Attempt[]): number {
  return first?.delivered_at.getTime() ?? 0;
}
