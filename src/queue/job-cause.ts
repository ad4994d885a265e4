import { z } from 'zod';
import { NO_CAUSE, parseTraceParent, type Cause } from '../kernel/index.js';

/** Stands beside a job's ids: whose doing it is. Of equal jobs that wait, the first one's counts. */
const causeSchema = z.object({ requestId: z.string().nullable(), traceParent: z.string().nullable() });

/** A job's payload with its cause, as it is queued. What Berth does by itself has none. */
export function withCause(payload: object, cause: Cause): object {
  return cause.requestId === null && cause.traceParent === null ? payload : { ...payload, cause };
}

/** Takes both apart again. The payload is as its handler expects it; a cause that cannot be read is none, since no work may fail for it. */
export function takeCause(data: unknown): { payload: unknown; cause: Cause } {
  if (typeof data !== 'object' || data === null || !('cause' in data))
    return { payload: data, cause: NO_CAUSE };
  const { cause, ...payload } = data;
  const read = causeSchema.safeParse(cause);
  if (!read.success) return { payload, cause: NO_CAUSE };
  const { requestId, traceParent } = read.data;
  return { payload, cause: { requestId, traceParent: parseTraceParent(traceParent) && traceParent } };
}
