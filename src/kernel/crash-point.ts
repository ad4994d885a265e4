/**
 * Places at which a process may be killed without losing anything, by name: between two writes, or between a write and what it was meant to wake. Each is proven by a test that
 * kills there (test/e2e/crash-points.e2e.test.ts); a name without a test, or a call that is not on this list, fails the build.
 */
export const crashPoints = [
  // What a person asked for is committed; no worker knows of it yet.
  'wake.committed',
  // A worker was woken; whoever asked has not been answered yet.
  'wake.enqueued',
  // A step of a workspace is written; nothing is done about it yet.
  'reconcile.begun',
  // The tokens of a runner to come are stored; there is no runner.
  'runner.tokens-issued',
  // The runner lives; the tokens of the one before it are still valid.
  'runner.started',
  // The processes are gone; the workspace still says "hibernating".
  'hibernate.silenced',
  // Files and processes are gone; the row is still there.
  'delete.destroyed',
  // The runner has its turn in the rows, and has not heard of it.
  'turn.claimed',
  // What the runner told is stored; the runner does not know that.
  'report.stored',
  // The workspace has its host; nothing was started there yet.
  'place.committed',
  // One orphan is removed; others are still there.
  'sweep.orphan-removed',
  // What a request with an Idempotency-Key asked for is written beside its answer; neither is committed.
  'answer.kept',
  // Both are committed; nobody was answered yet.
  'answer.committed',
  // The renewal of a token is written down; the provider has not been called, and is not about to be.
  'renewal.opened',
  // It is written that the provider is called from now on; it has not been yet.
  'renewal.calling',
  // The provider has answered, and what it answered is in memory alone.
  'renewal.answered',
  // What it answered is stored; nobody who waits has heard of it.
  'renewal.stored',
  // The code of a login is claimed for its one exchange; the provider has not been called.
  'login.exchanging',
  // What it was exchanged for is in memory alone.
  'login.exchanged',
  // What another system told is stored; no worker knows of it, and it has not been answered.
  'delivery.stored',
  // A worker was woken for it; it has not been answered.
  'delivery.enqueued',
  // An attempt at it has begun, and has done nothing.
  'delivery.claimed',
  // What was asked is written, with its workspace or message and what is said; nothing of it is committed.
  'ask.written',
  // All of it is committed; the delivery still says that it is being handled.
  'ask.committed',
  // What is to be said is committed; nobody was asked to say it.
  'reply.written',
  // The other system has it; its row still says that it is on its way.
  'reply.said',
  // Its row says so; what waits behind it was not looked for.
  'reply.stored',
] as const;

export type CrashPoint = (typeof crashPoints)[number];

let reached: (name: CrashPoint) => void = () => undefined;

/** Marks the place. Does nothing in a Berth that is not under such a test. */
export function crashPoint(name: CrashPoint): void {
  reached(name);
}

/** For the start of a process under test: what to do at each place (BERTH_CRASH_POINT in config). */
export function armCrashPoints(listener: (name: CrashPoint) => void): void {
  reached = listener;
}
