import type { ReplyContent } from './content.js';

/** A reply that was not said yet, as far as its turn depends on it. */
export interface WaitingReply {
  id: string;
  type: ReplyContent['type'];
  /** Tries that were begun. */
  attempts: number;
  /** Not before; also while somebody is on it. */
  nextAt: Date;
  createdAt: Date;
  /** It is a sign of life, and what it announces is there, or on its way. */
  isOvertaken: boolean;
}

/** What is to be done in a conversation now. */
export interface Due {
  /** Said next; null: nothing before its time. */
  next: WaitingReply | null;
  /** Not said any more: a newer one of the same kind follows at once. */
  folded: string[];
  /** Not said any more: nobody wants to hear it so late. */
  late: string[];
  /** Signs of life behind an end: not said any more, or what is over would look as if it went on. */
  overtaken: string[];
  /** With nothing to say now: when there is. */
  at: Date | null;
}

const MINUTE_MS = 60_000;
/** After so long it is given up. A sign of life that late would only astonish; an answer is worth a day of trying. */
const LIFE_MS: Partial<Record<ReplyContent['type'], number>> = {
  seen: 10 * MINUTE_MS,
  progress: 60 * MINUTE_MS,
  plan: 60 * MINUTE_MS,
};
const USUAL_LIFE_MS = 24 * 60 * MINUTE_MS;

/** True for what is said before anything that waits, also while another reply is on its way: it is a sign of life, and stands in no order with the rest. */
export function isUrgent({ type }: Pick<WaitingReply, 'type'>): boolean {
  return type === 'seen';
}

/** Whose turn it is, by all that waits in a conversation in its order. One that pauses, or that somebody is on, holds back what comes after it. */
export function dueOf(waiting: readonly WaitingReply[], now: Date): Due {
  const late = waiting.filter((reply) => isLate(reply, now));
  const overtaken = waiting.filter(
    (reply) => reply.isOvertaken && isFree(reply, now) && !late.includes(reply),
  );
  const rest = waiting.filter((reply) => !late.includes(reply) && !overtaken.includes(reply));
  const urgent = rest.filter(isUrgent);
  const { head, folded } = headOf(rest.filter((reply) => !isUrgent(reply)));
  const ready = [...urgent, ...(head ? [head] : [])];
  const next = ready.find(({ nextAt }) => nextAt <= now) ?? null;
  return {
    next,
    folded: next === head ? folded.map(({ id }) => id) : [],
    late: late.map(({ id }) => id),
    overtaken: overtaken.map(({ id }) => id),
    at: ready.map(({ nextAt }) => nextAt).sort((a, b) => a.getTime() - b.getTime())[0] ?? null,
  };
}

/** The first in order; of progress that waits one after another the newest, unless one was tried before: nobody knows whether that one was said. */
function headOf(ordered: readonly WaitingReply[]): { head: WaitingReply | null; folded: WaitingReply[] } {
  const isFoldable = (reply: WaitingReply | undefined): boolean =>
    reply?.type === 'progress' && reply.attempts === 0;
  let at = 0;
  while (isFoldable(ordered[at]) && isFoldable(ordered[at + 1])) at++;
  const [first, newest] = [ordered[0], ordered[at]];
  if (!first || !newest) return { head: null, folded: [] };
  // At the time of the first: else one that comes again and again would put all of them off for ever.
  return { head: { ...newest, nextAt: first.nextAt }, folded: ordered.slice(0, at) };
}

function isLate(reply: WaitingReply, now: Date): boolean {
  const { type, createdAt } = reply;
  return isFree(reply, now) && now.getTime() - createdAt.getTime() > (LIFE_MS[type] ?? USUAL_LIFE_MS);
}

/** Somebody may still be on one whose time is not there yet. */
const isFree = ({ nextAt }: WaitingReply, now: Date): boolean => nextAt <= now;

const [FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS] = [2, 600];

/** The pause after the nth try that failed, longer each time; a little more by chance, so that a system that is back is not asked by all at once. `random` is in [0, 1). */
export function pauseSeconds(attempts: number, random: number): number {
  const pause = Math.min(FIRST_PAUSE_SECONDS * 2 ** (attempts - 1), LONGEST_PAUSE_SECONDS);
  return pause * (1 + random / 4);
}
