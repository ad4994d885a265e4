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

/** How many calls a reply takes at most, by what integrations make of it (a comment and a check, an activity and a link). */
const CALLS: Partial<Record<ReplyContent['type'], number>> = {
  started: 2,
  answer: 2,
  failed: 2,
  'pull-request': 2,
};

export function callsOf({ type }: Pick<ReplyContent, 'type'>): number {
  return CALLS[type] ?? 1;
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
