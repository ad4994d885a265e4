import type { TurnOutcome, TurnState } from '../contracts/index.js';

/** Every legal move of a turn. `reauthenticating` is reached by the work on stale logins. */
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
  { state: 'completed' } | { state: 'canceled' } | { state: 'failed'; error: TurnError } | { state: 'wait' };

/**
 * How a turn ends by what the runner says and the receipts that are there. A turn whose agent never reached the model is never completed: the runner's word is
 * not enough, since an agent that gives up may end well. The receipt may be a moment late; so long the answer is `wait`.
 */
export function endingOf(
  outcome: TurnOutcome,
  receipts: number,
  ageSeconds: number,
  cancelRequested: boolean,
): Ending {
  if (outcome.result === 'failed')
    return { state: 'failed', error: { code: outcome.code, message: outcome.message } };
  if (outcome.result === 'canceled') {
    if (cancelRequested) return { state: 'canceled' };
    return {
      state: 'failed',
      error: { code: 'interrupted', message: 'The agent was interrupted. Send the message again.' },
    };
  }
  if (receipts > 0) return { state: 'completed' };
  if (ageSeconds < RECEIPT_WAIT_SECONDS) return { state: 'wait' };
  return {
    state: 'failed',
    error: {
      code: 'model-not-reached',
      message: 'The agent ended without having reached the model. Send the message again.',
    },
  };
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
