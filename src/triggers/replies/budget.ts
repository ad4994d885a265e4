import type { ExternalSystem } from '../../contracts/index.js';
import type { ReplyContent } from './content.js';

/** At most so many calls in any so many seconds. */
export interface Limit {
  calls: number;
  seconds: number;
}

/** Calls that began within one step of time. */
export interface Taken {
  /** The end of the step, in milliseconds since 1970: they count for a little longer than they do there, and never for less. */
  at: number;
  calls: number;
}

/** What was said at one installation lately. */
export interface Budget {
  /** What was taken, ascending. */
  taken: Taken[];
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

/** So many calls of what was taken at that moment were not made. What is too old to count is gone already. */
export function giveBack(budget: Budget, limits: readonly Limit[], takenAt: Date, calls: number): Budget {
  const [fine, coarse] = stepsOf(limits).map((step) => endOf(takenAt.getTime(), step));
  const place = budget.taken.find(({ at }) => at === fine) ?? budget.taken.find(({ at }) => at === coarse);
  const taken = budget.taken.map((one) => (one === place ? { ...one, calls: one.calls - calls } : one));
  return { ...budget, taken: taken.filter((one) => one.calls > 0) };
}

/** What became of a wish to say something now: said and counted, or put off until then. */
export type Granted = { granted: true; budget: Budget } | { granted: false; at: Date; budget: Budget };

/**
 * Takes calls out of the budget, or says when to come again. It holds over any window, and not only on average: what is counted is each call. Who is put off is sent behind those that were before, so that
 * a long queue comes one by one and not all of it whenever there is room for one.
 */
export function take(
  budget: Budget,
  limits: readonly Limit[],
  wish: { calls: number; urgent: boolean },
  now: Date,
): Granted {
  const taken = stillCounted(budget.taken, limits, now.getTime());
  const share = wish.urgent ? 1 : USUAL_SHARE;
  const rooms = limits.map((limit) => roomAt(taken, limit, share, wish.calls));
  const free = new Date(Math.max(now.getTime(), budget.blockedUntil?.getTime() ?? 0, ...rooms));
  if (free <= now)
    return {
      granted: true,
      budget: { ...budget, taken: withCalls(taken, limits, now.getTime(), wish.calls) },
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
function roomAt(taken: readonly Taken[], { calls, seconds }: Limit, share: number, wished: number): number {
  // Also one that wants more than the limit comes through, alone.
  let left = Math.max(Math.floor(calls * share), wished) - wished;
  const inTheWay = taken.findLast((one) => (left -= one.calls) < 0);
  return inTheWay === undefined ? 0 : inTheWay.at + seconds * 1000;
}

/** A window is looked at in so many steps: a call counts for at most one of them too long. Each call by itself would be thousands, which are read and written with every reply. */
const STEPS = 60;

/** In milliseconds: of the shortest window, and of the longest. */
function stepsOf(limits: readonly Limit[]): [fine: number, coarse: number] {
  const windows = limits.map(({ seconds }) => (seconds * 1000) / STEPS);
  return [Math.min(...windows), Math.max(...windows)];
}

const endOf = (at: number, step: number): number => Math.ceil(at / step) * step;

/** What still counts in one of the windows. What counts only in the long one is kept in its steps. */
function stillCounted(taken: readonly Taken[], limits: readonly Limit[], now: number): Taken[] {
  const [fine, coarse] = stepsOf(limits);
  const kept: Taken[] = [];
  for (const { at, calls } of taken) {
    if (now - at >= coarse * STEPS) continue;
    const end = endOf(at, coarse);
    add(kept, now - end >= fine * STEPS ? end : at, calls);
  }
  return kept;
}

function withCalls(taken: Taken[], limits: readonly Limit[], now: number, calls: number): Taken[] {
  const [fine] = stepsOf(limits);
  add(taken, endOf(now, fine), calls);
  return taken;
}

function add(taken: Taken[], at: number, calls: number): void {
  const last = taken.at(-1);
  if (last && last.at >= at) last.calls += calls;
  else taken.push({ at, calls });
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
