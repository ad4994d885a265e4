import type { Posted } from '../../oauth/index.js';
import type { Failed, Obtained } from './identity.js';

/** How a call for a token ends without one. The reasons hold nothing of what was sent or answered but short words. */
export function failed(reason: string, retryAfterSeconds: number | null = null): Failed {
  return { outcome: 'failed', reason, retryAfterSeconds };
}

export function denied(reason: string): Obtained {
  return { outcome: 'denied', reason };
}

/** An answer that was lost is one that was not given: the token in it, if there was one, is nobody's and runs out. */
export function unanswered(provider: string, posted: Exclude<Posted, { kind: 'answered' }>): Failed {
  return failed(`${provider} gave no answer (${posted.reason})`);
}
