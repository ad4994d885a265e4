import type { ExternalSystem } from '../../contracts/index.js';
import type { ReplyContent } from './content.js';

/** At most so many calls in any so many seconds. */
export interface Limit {
  calls: number;
  seconds: number;
}

/** What was said at one installation lately. */
export interface Budget {
  /** When each call began, ascending. */
  taken: Date[];
  /** The system itself said that it takes nothing before. */
  blockedUntil: Date | null;
  /** When the last one that was put off comes again. */
  queuedUntil: Date | null;
}

export const emptyBudget: Budget = { taken: [], blockedUntil: null, queuedUntil: null };

/**
 * Less than the systems allow, since replies are not all that Berth does there. GitHub: 80 writes of content a minute and 500 an hour for an installation. Linear: 5,000 requests an hour for an app
 * in an organization.
 */
export const systemLimits: Record<ExternalSystem, readonly Limit[]> = {
  github: [
    { calls: 70, seconds: 60 },
    { calls: 450, seconds: 3600 },
  ],
  linear: [
    { calls: 400, seconds: 60 },
    { calls: 4000, seconds: 3600 },
  ],
};

/** A part of each limit is kept for signs of life: they must be there within seconds, whatever else waits. */
const USUAL_SHARE = 0.8;

/**
 * How many calls a reply takes at most, by what integrations make of it. At GitHub a comment and a check; at an end the answer on a line, the comment (edited, or made anew where somebody deleted it), and a check
 * on what was asked about and one on what was pushed. At Linear a session, an activity (looked for where it is there already), and the issue that is begun or linked. Most take fewer: those are given back.
 */
const CALLS: Record<ExternalSystem, Partial<Record<ReplyContent['type'], number>>> = {
  github: { started: 2, progress: 2, plan: 2, authentication: 2, answer: 5, failed: 5, stopped: 5 },
  linear: { seen: 3, started: 5, 'pull-request': 3 },
};
const USUAL_CALLS: Record<ExternalSystem, number> = { github: 1, linear: 2 };

export function callsOf({ type }: Pick<ReplyContent, 'type'>, system: ExternalSystem): number {
  return CALLS[system][type] ?? USUAL_CALLS[system];
}

/** So many calls of what was taken at that moment were not made. */
export function giveBack(budget: Budget, takenAt: Date, calls: number): Budget {
  const last = budget.taken.findLastIndex((at) => at.getTime() === takenAt.getTime());
  if (last === -1 || calls <= 0) return budget;
  const first = Math.max(0, last + 1 - calls);
  const isGiven = (at: Date, index: number): boolean =>
    index >= first && index <= last && at.getTime() === takenAt.getTime();
  return { ...budget, taken: budget.taken.filter((at, index) => !isGiven(at, index)) };
}

/** What became of a wish to say something now: said and counted, or put off until then. */
export type Granted = { granted: true; budget: Budget } | { granted: false; at: Date; budget: Budget };

/**
 * Takes calls out of the budget, or says when to come again. Exact over any window, and not only on average: what is counted is each call. Who is put off is sent behind those that were before, so that
 * a long queue comes one by one and not all of it whenever there is room for one.
 */
export function take(
  budget: Budget,
  limits: readonly Limit[],
  wish: { calls: number; urgent: boolean },
  now: Date,
): Granted {
  const longest = Math.max(...limits.map(({ seconds }) => seconds));
  const taken = budget.taken.filter((at) => now.getTime() - at.getTime() < longest * 1000);
  const share = wish.urgent ? 1 : USUAL_SHARE;
  const rooms = limits.map((limit) => roomAt(taken, limit, share, wish.calls));
  const free = new Date(Math.max(now.getTime(), budget.blockedUntil?.getTime() ?? 0, ...rooms));
  if (free <= now)
    return {
      granted: true,
      budget: { ...budget, taken: [...taken, ...Array.from({ length: wish.calls }, () => now)] },
    };
  const behind = (budget.queuedUntil?.getTime() ?? 0) + stepMs(limits, share) * wish.calls;
  const at = wish.urgent ? free : new Date(Math.max(free.getTime(), behind));
  return {
    granted: false,
    at,
    budget: { ...budget, taken, queuedUntil: wish.urgent ? budget.queuedUntil : at },
  };
}

/** From when on there is room for so many calls under one limit. */
function roomAt(taken: readonly Date[], { calls, seconds }: Limit, share: number, wished: number): number {
  // Also one that wants more than the limit comes through, alone.
  const allowed = Math.max(Math.floor(calls * share), wished);
  const inTheWay = taken[taken.length - (allowed - wished) - 1];
  return inTheWay === undefined ? 0 : inTheWay.getTime() + seconds * 1000;
}

/** The time between two calls at the pace that can be kept up. */
function stepMs(limits: readonly Limit[], share: number): number {
  return Math.max(...limits.map(({ calls, seconds }) => (seconds * 1000) / Math.floor(calls * share)));
}

/** The system lets nobody through before this time. */
export function blocked(budget: Budget, until: Date): Budget {
  return budget.blockedUntil && budget.blockedUntil > until ? budget : { ...budget, blockedUntil: until };
}

/** Whose budget a conversation draws on: that of its installation, or of the organization's one app there. */
export function budgetKey(system: string, subject: unknown): string {
  const { installationId } = (subject ?? {}) as { installationId?: unknown };
  const isNamed = typeof installationId === 'string' || typeof installationId === 'number';
  return isNamed ? `${system}/${installationId}` : system;
}
