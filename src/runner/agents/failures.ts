import type { TurnOutcome } from '../../contracts/runner.js';

/** Why an agent's turn failed, as a stable code. */
export type AgentFailureCode =
  | 'agent-authentication'
  | 'agent-not-allowed'
  | 'agent-quota'
  | 'agent-overloaded'
  | 'agent-request-refused'
  | 'agent-crashed'
  | 'agent-timeout'
  | 'agent-missing'
  | 'network';

const SENTENCES: Record<AgentFailureCode, (name: string) => string> = {
  'agent-authentication': (name) =>
    `${name} refused the credential. Reconnect it or add another one, then send the message again.`,
  'agent-not-allowed': (name) =>
    `The credential in use is not allowed what ${name} asked of its provider. Check the model of the workspace and what the credential may do, or add another one.`,
  'agent-quota': (name) =>
    `The plan or key in use has no ${name} quota left for now. Try again later or add another credential.`,
  'agent-overloaded': (name) => `${name} is overloaded at the moment. Try again in a few minutes.`,
  'agent-request-refused': (name) =>
    `${name} did not accept the request. Check the model of the workspace, or say it differently.`,
  'agent-crashed': (name) => `${name} ended unexpectedly. Send another message to go on.`,
  'agent-timeout': (name) =>
    `${name} took longer than a turn may take and was stopped. Send another message to go on.`,
  'agent-missing': (name) => `${name} is not installed on this machine. Run \`berth agents install\`.`,
  network: (name) =>
    `${name} could not reach its model provider. Check the connection of the machine, then try again.`,
};

/** A failed outcome. `name` is the agent's name for people; the provider's own words stay out, since they may quote a credential. */
export function failed(code: AgentFailureCode, name: string): TurnOutcome {
  return { result: 'failed', code, message: SENTENCES[code](name) };
}

/** What an HTTP status of the model provider means for a turn. */
export function codeOfStatus(status: number): AgentFailureCode {
  if (status === 401) return 'agent-authentication';
  // A revoked login the proxy keeps to itself and answers with 401 in the end. What is left is a call that another login of the same kind would not be allowed either.
  if (status === 403) return 'agent-not-allowed';
  if (status === 402 || status === 429) return 'agent-quota';
  if (status >= 500) return 'agent-overloaded';
  return 'agent-request-refused';
}
