import { AsyncLocalStorage } from 'node:async_hooks';
import { traceIdOf } from './trace-parent.js';

/**
 * What made us do this: the request of a person, and the place in its trace. It goes along with the work, from the request to the job, the turn, the runner and the
 * proxy, so that every line in a log, and every entry of the audit log, can be found by the id that a person quotes. It decides nothing: who acts is an argument everywhere. Both are null for what Berth does by itself.
 */
export interface Cause {
  readonly requestId: string | null;
  /** W3C `traceparent` of the span that the work belongs under. */
  readonly traceParent: string | null;
}

export const NO_CAUSE: Cause = Object.freeze({ requestId: null, traceParent: null });

const causes = new AsyncLocalStorage<Cause>();

/** The cause of what runs now. */
export function currentCause(): Cause {
  return causes.getStore() ?? NO_CAUSE;
}

/** Runs `work`, and all that it starts, for this cause. */
export function forCause<T>(cause: Cause, work: () => T): T {
  return causes.run(cause, work);
}

/** A cause as fields of a log line. */
export function causeFields({ requestId, traceParent }: Cause): { requestId?: string; traceId?: string } {
  const traceId = traceParent === null ? null : traceIdOf(traceParent);
  return { ...(requestId === null ? {} : { requestId }), ...(traceId === null ? {} : { traceId }) };
}
