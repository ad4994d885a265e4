import { RefusedError, UnreachableError } from './failure.js';
import { networkCode } from './network.js';

/** A request that failed, and how often it was sent. */
export interface Failed {
  error: unknown;
  /** 1 after the first sending. */
  attempt: number;
  /** Whether sending it again cannot have a second effect: it only reads, or its Idempotency-Key makes the server answer as it did. */
  repeatable: boolean;
  /** How long was waited for this request so far. */
  waitedMilliseconds: number;
}

/** When to send it again, and what to tell the person who waits; null: give up. */
export interface Again {
  pauseMilliseconds: number;
  because: string;
}

const firstPauseMilliseconds = 300;
const longestBackoffMilliseconds = 5_000;
const mostAttempts = 7;
/** More than that is the person's to wait for. */
const longestWaitMilliseconds = 60_000;

/** Statuses of a server, or of what stands before it, that did not come to an answer. */
const unanswered = new Set([502, 503, 504]);

/** Decides about one more try. */
export function again({ error, attempt, repeatable, waitedMilliseconds }: Failed): Again | null {
  if (attempt >= mostAttempts) return null;
  const reason = worthIt(error, attempt, repeatable);
  if (reason === null) return null;
  const asked = error instanceof RefusedError ? error.retryAfterSeconds : null;
  const backoff = Math.min(firstPauseMilliseconds * 2 ** (attempt - 1), longestBackoffMilliseconds);
  const pauseMilliseconds = asked === null ? backoff : asked * 1000;
  if (waitedMilliseconds + pauseMilliseconds > longestWaitMilliseconds) return null;
  return { pauseMilliseconds, because: reason };
}

function worthIt(error: unknown, attempt: number, repeatable: boolean): string | null {
  if (error instanceof UnreachableError) {
    // Nothing listens there or the name is wrong: said at once, unless Berth was heard before and may be starting again.
    const nobody = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(networkCode(error.cause));
    return repeatable && !(nobody && attempt === 1) ? 'The connection broke' : null;
  }
  if (!(error instanceof RefusedError)) return null;
  const { status, problemCode, retryAfterSeconds } = error;
  if (status === 429) return retryAfterSeconds === null ? null : 'Berth asks to slow down';
  if (status === 409 && problemCode === 'idempotency-key-in-use') return 'The first try is still at work';
  if (!unanswered.has(status)) return null;
  // A 503 that names a time did nothing. Without one, or from a gateway, the first try may have had its effect.
  if (status === 503 && retryAfterSeconds !== null) return 'Berth is not ready';
  return repeatable ? 'Berth does not answer' : null;
}
