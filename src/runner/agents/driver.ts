import type { ClaimedTurn, PlanItem, TurnOutcome } from '../../contracts/runner.js';
import type { Person } from '../environment.js';

/** What an agent's turn shows while it runs. The runner adds turn and number. */
export type AgentItem =
  | { type: 'agent.session'; session: string }
  | { type: 'agent.text'; text: string }
  | {
      type: 'agent.tool';
      toolId: string;
      name: string;
      state: 'started' | 'completed' | 'failed';
      summary?: string;
    }
  | { type: 'agent.plan'; items: PlanItem[] }
  | { type: 'agent.answer'; text: string };

/** One turn for an agent. */
export interface AgentTurn {
  text: string;
  /** `continue`: an earlier attempt had begun; go on in the session and do not ask again. `replay`: cut off what was asked last, and ask. */
  mode: ClaimedTurn['mode'];
  /** The agent's own session to resume; null starts one. */
  session: string | null;
  /** Up to where it is good. */
  point: string | null;
  /** Goes into the agent as the message's id. */
  attemptId: string;
  model: string;
  /** Author of the commits that the agent makes itself. */
  author: Person;
  /** Abort interrupts the agent: politely first, then by force. */
  signal: AbortSignal;
  onItem: (item: AgentItem) => void;
}

/** What came of a turn, and up to where the agent's session is good now; null: no further than before. */
export interface AgentEnd {
  outcome: TurnOutcome;
  point: string | null;
}

/** A turn that ended for lack of a login leaves a request without an answer in the session: the place before it stays the last good one. */
export function agentEnd(outcome: TurnOutcome, point: string | null): AgentEnd {
  const lacksLogin = outcome.result === 'failed' && outcome.code === 'agent-authentication';
  return { outcome, point: lacksLogin ? null : point };
}

/**
 * Runs turns with one kind of agent, one process per turn. Resolves with the outcome, also when the agent fails; `canceled` whenever the signal ended it. Throws
 * only on a defect of ours, or BerthError `agent-missing`.
 */
export interface AgentDriver {
  runTurn(turn: AgentTurn): Promise<AgentEnd>;
}

/** What to say instead of the request when an earlier attempt is continued. */
export const CONTINUE_TEXT = 'Continue where you left off.';

/** How long an interrupted agent may take to write its transcript before it is killed. */
export const INTERRUPT_GRACE_SECONDS = 3;

/** Reason of an abort that leaves no time: another runner may start on the same tree. */
export const KILL = 'kill';
