/**
 * Why Linear did not do what was asked.
 * - `limited`: too much was asked in this hour; nothing was done.
 * - `unauthenticated`: the token does not serve; nothing was done.
 * - `refused`: it judged what was asked (not found, not allowed, an id that is there already); the same again comes to the same.
 * - `away`: no answer, or one that cannot be read: whether it was done nobody knows.
 */
export type LinearTroubleKind = 'limited' | 'unauthenticated' | 'refused' | 'away';

const DEFAULT_RETRY_SECONDS: Record<LinearTroubleKind, number> = {
  limited: 60,
  unauthenticated: 5,
  refused: 0,
  away: 5,
};
/** Linear's windows last an hour. */
const LONGEST_RETRY_SECONDS = 3600;
const MAX_SAID = 200;

/** Its message is for people, and holds of Linear's words one short line. */
export class LinearTrouble extends Error {
  override readonly name = 'LinearTrouble';
  readonly retryAfterSeconds: number;

  constructor(
    readonly kind: LinearTroubleKind,
    message: string,
    retryAfterSeconds?: number,
  ) {
    super(message);
    const seconds = retryAfterSeconds ?? DEFAULT_RETRY_SECONDS[kind];
    this.retryAfterSeconds = Math.min(LONGEST_RETRY_SECONDS, Math.max(0, Math.ceil(seconds)));
  }
}

/** An answer that is no good, as far as it is known. */
export interface BadAnswer {
  status: number | null;
  /** Of the errors in it. */
  codes: string[];
  said: string | null;
  /** When the window of a limit ends, in epoch milliseconds (linear.md 5). */
  resetAt: number | null;
}

/** What an answer means. The SDK's own classes do not tell: it knows a rate limit by a `type` that Linear's page does not promise, and takes any 4xx for a matter of the token (linear.md 5). */
export function troubleOf({ status, codes, said, resetAt }: BadAnswer, now: Date): LinearTrouble {
  const words = said === null ? '' : ` (${oneLine(said)})`;
  const has = (...wanted: string[]): boolean => codes.some((code) => wanted.includes(normal(code)));
  if (status === 429 || has('ratelimited')) {
    const seconds = resetAt === null ? undefined : Math.max(1, (resetAt - now.getTime()) / 1000);
    return new LinearTrouble('limited', 'Linear lets nothing through until its limit is over', seconds);
  }
  if (status === 401 || has('authentication error'))
    return new LinearTrouble('unauthenticated', 'Linear does not take the token');
  if (status === null || status >= 500 || codes.length === 0)
    return new LinearTrouble(
      'away',
      status === null ? `Linear did not answer${words}` : `Linear answered with status ${status}`,
    );
  return new LinearTrouble('refused', `Linear refused it${words}`);
}

const normal = (code: string): string => code.toLowerCase().replaceAll('_', ' ');

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return line.length > MAX_SAID ? `${line.slice(0, MAX_SAID)}…` : line;
}
