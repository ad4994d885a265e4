import type { TurnOutcome, TurnState } from '../contracts/index.js';
import { AGENT_AUTHENTICATION, AUTHENTICATION_FAILED, MAX_REFUSED_ATTEMPTS } from './attempts.js';

/** Every legal move of a turn. `reauthenticating`: a login was refused, and the model has not answered since; with a time to retry, between two attempts. */
export const legalMoves: Record<TurnState, readonly TurnState[]> = {
  queued: ['running', 'failed', 'canceled'],
  running: ['reauthenticating', 'completed', 'failed', 'canceled'],
  reauthenticating: ['running', 'failed', 'canceled'],
  completed: [],
  failed: [],
  canceled: [],
};

export const openStates: readonly TurnState[] = ['queued', 'running', 'reauthenticating'];

/** How long a turn that says it is completed may wait for the proxy's receipt, which travels another way. */
export const RECEIPT_WAIT_SECONDS = 10;

export interface TurnError {
  code: string;
  message: string;
}

export type Ending =
  | { state: 'completed' }
  | { state: 'canceled' }
  | { state: 'failed'; error: TurnError }
  /** Not yet: the same report comes again in a moment. */
  | { state: 'wait' }
  /** The attempt is over and the turn is not. */
  | { state: 'retry' };

/** What is known of a turn when its runner says that an attempt ended. */
export interface EndingFacts {
  receipts: number;
  /** Seconds since the agent ended. */
  ageSeconds: number;
  cancelRequested: boolean;
  /** Attempts that ended for lack of a login, without this one. */
  refusedAttempts: number;
  /** Why it was given no credential any more. */
  halt: TurnError | null;
  /** Name of the agent, for people. */
  agent: string;
}

/**
 * How a turn ends by what the runner says and the receipts that are there. A turn whose agent never reached the model is never completed: the runner's word is
 * not enough, since an agent that gives up may end well. The receipt may be a moment late; so long the answer is `wait`. An attempt without a valid login is followed by
 * another one, a few times, unless a person wants no more of it.
 */
export function endingOf(outcome: TurnOutcome, facts: EndingFacts): Ending {
  // The agent's own words for it would be that a call is not allowed; another attempt would get no further.
  if (outcome.result === 'failed' && facts.halt) return { state: 'failed', error: facts.halt };
  if (outcome.result === 'failed')
    return outcome.code === AGENT_AUTHENTICATION
      ? endingUnauthenticated(facts)
      : { state: 'failed', error: { code: outcome.code, message: outcome.message } };
  if (outcome.result === 'canceled') {
    if (facts.cancelRequested) return { state: 'canceled' };
    return {
      state: 'failed',
      error: { code: 'interrupted', message: 'The agent was interrupted. Send the message again.' },
    };
  }
  if (facts.receipts > 0) return { state: 'completed' };
  if (facts.ageSeconds < RECEIPT_WAIT_SECONDS) return { state: 'wait' };
  return {
    state: 'failed',
    error: {
      code: 'model-not-reached',
      message: 'The agent ended without having reached the model. Send the message again.',
    },
  };
}

function endingUnauthenticated({ cancelRequested, refusedAttempts, agent }: EndingFacts): Ending {
  if (cancelRequested) return { state: 'canceled' };
  if (refusedAttempts + 1 < MAX_REFUSED_ATTEMPTS) return { state: 'retry' };
  const message = `Couldn't authenticate with ${agent} after multiple attempts.`;
  return { state: 'failed', error: { code: AUTHENTICATION_FAILED, message } };
}

/** What becomes of a turn under way when its workspace stops: put to sleep is a person's or the policy's wish, failed is a failure. */
export function endingByWorkspace(
  state: 'hibernating' | 'failed',
  reason: string | null,
): Extract<Ending, { state: 'canceled' | 'failed' }> {
  if (state === 'hibernating') return { state: 'canceled' };
  const message = `The workspace failed: ${reason ?? 'unknown reason.'}`;
  return { state: 'failed', error: { code: 'workspace-failed', message } };
}
