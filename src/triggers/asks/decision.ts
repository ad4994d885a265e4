import type { DesiredState, WorkspaceState } from '../../contracts/index.js';
import type { Found } from '../../identity/index.js';
import type { AskOutcome } from './ask.js';

/** `waiting`: for somebody to be connected, or a repository to be chosen. `taken`: it became a message. `refused`: it did not, and will not. */
export type AskState = 'waiting' | 'taken' | 'refused';

/** By what it is decided what becomes of an ask. */
export interface AskFacts {
  /** It waited for something, and was counted when it came. */
  isKnown: boolean;
  /** Why too much was asked here; null: it was not. */
  excess: string | null;
  isPaused: boolean;
  /** Null: nobody asked. */
  who: Found | null;
  /** Whether the organization's credentials serve what nobody asked for. */
  automation: boolean;
  /** Why the integration will not have it done for this person. */
  refusal: { reason: string; text: string } | null;
  /** What is behind the conversation. */
  workspace: { state: WorkspaceState; desiredState: DesiredState } | null;
  mayStart: boolean;
}

export type AskDecision =
  | { do: 'nothing'; outcome: AskOutcome }
  | { do: 'pause'; outcome: AskOutcome; text: string }
  | { do: 'refuse'; outcome: AskOutcome; text: string | null }
  | { do: 'wait-for-link' }
  | { do: 'continue' }
  | { do: 'start' };

const REFUSALS = {
  'handle-taken':
    'Your account has a name by which Berth knows somebody else, so nothing was started. Connect your account from your own settings in Berth, or ask an admin.',
} as const;
const NO_AUTOMATION =
  'No person asked for this, and the organization has not allowed automations to use its credentials, so nothing was started.';

/** What becomes of an ask. Nothing of what was written decides it. */
export function decideAsk(facts: AskFacts): AskDecision {
  const { who, refusal, workspace } = facts;
  if (facts.isPaused) return { do: 'nothing', outcome: 'stopped-by-breaker' };
  if (facts.excess !== null && !facts.isKnown)
    return { do: 'pause', outcome: 'stopped-by-breaker', text: facts.excess };
  const isLiving = workspace !== null && !isGoing(workspace);
  // Before anybody is asked to connect: who only says something where nothing is, said it to somebody else.
  if (!isLiving && !facts.mayStart) return { do: 'nothing', outcome: 'ignored-nothing-here' };
  const objection = objectionTo(facts);
  if (objection) return objection;
  // Whoever several members could be is not guessed either: they say it themselves.
  if (who?.outcome === 'unlinked' || isAmbiguous(who)) return { do: 'wait-for-link' };
  if (refusal) return { do: 'refuse', outcome: `refused-${refusal.reason}`, text: refusal.text };
  return isLiving ? { do: 'continue' } : { do: 'start' };
}

/** Why nothing is done for who asked, whatever it is. */
function objectionTo({ who, automation }: AskFacts): AskDecision | null {
  if (who === null)
    return automation ? null : { do: 'refuse', outcome: 'refused-automation', text: NO_AUTOMATION };
  if (who.outcome !== 'refused') return null;
  const reason = who.reason;
  if (reason === 'ambiguous') return null;
  // An app that is answered may answer again.
  const text = reason === 'app' || reason === 'inactive' ? null : REFUSALS[reason];
  return { do: 'refuse', outcome: `refused-${reason}`, text };
}

function isAmbiguous(who: Found | null): boolean {
  return who?.outcome === 'refused' && who.reason === 'ambiguous';
}

function isGoing({ state, desiredState }: { state: WorkspaceState; desiredState: DesiredState }): boolean {
  return desiredState === 'deleted' || state === 'deleting' || state === 'deleted';
}
