import type { ClaimedTurn } from '../contracts/index.js';

/** So many attempts may end because no login was accepted; then people are told. */
export const MAX_REFUSED_ATTEMPTS = 3;

/** Code of a turn that ended so. */
export const AUTHENTICATION_FAILED = 'authentication-failed';

/** An attempt that ended so: the runner's word, read from the agent's codes. */
export const AGENT_AUTHENTICATION = 'agent-authentication';

const FIRST_RETRY_SECONDS = 2;
const GROWTH = 4;

/**
 * How long the next attempt waits after so many refused ones: 2 s, then 8 s, each up to a quarter longer. The proxy has waited for a new login before an attempt
 * ends, so that this is no race with its renewal; a login that many workspaces lost must not bring them all back at once. `random` is in [0, 1).
 */
export function retrySeconds(refusedAttempts: number, random: number): number {
  return FIRST_RETRY_SECONDS * GROWTH ** (refusedAttempts - 1) * (1 + random / 4);
}

/** What a turn that is over has left in the agent's session. */
export interface LeftBehind {
  /** Of the error that ended it; null: none did. */
  errorCode: string | null;
  toolsBegan: boolean;
  /** The model answered in it. */
  answered: boolean;
  /** It ended between two attempts, of which the last found no login. */
  betweenAttempts: boolean;
}

/** It left nothing but a request that nobody answered, for lack of a login. That is no part of the session, and the next turn cuts it off. */
export function leftUnanswered({
  errorCode,
  toolsBegan,
  betweenAttempts,
}: Omit<LeftBehind, 'answered'>): boolean {
  return !toolsBegan && (errorCode === AUTHENTICATION_FAILED || betweenAttempts);
}

/** The session holds some of its work. Where it did not end with a place up to which that is good, no earlier place may be cut at any more: what was done would be forgotten, and done again. */
export function leftWork(left: LeftBehind): boolean {
  return left.toolsBegan || (left.answered && !leftUnanswered(left));
}

/** What decides how an attempt begins. */
export interface AttemptFacts {
  /** A tool began in an earlier attempt, or may have. */
  toolsBegan: boolean;
  refusedAttempts: number;
  /** The turn before left a request without an answer in the agent's session (`leftUnanswered`). */
  afterUnanswered: boolean;
  /** Up to where the agent's session is good. */
  point: string | null;
  /** The model answered in the session before this turn. */
  hasHistory: boolean;
}

/**
 * How the next attempt begins. Once a tool may have run nothing is asked again (rule 8). A request that was not answered is cut off the session and asked anew; without a known place to cut, a session
 * with a history is continued rather than lost, and then the request that is in it is not asked again either.
 */
export function modeOf(facts: AttemptFacts): ClaimedTurn['mode'] {
  if (facts.toolsBegan) return 'continue';
  const canCut = facts.point !== null || !facts.hasHistory;
  if (facts.refusedAttempts > 0) return canCut ? 'replay' : 'continue';
  return facts.afterUnanswered && canCut ? 'replay' : 'start';
}
