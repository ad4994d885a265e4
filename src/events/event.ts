/** A fact about a workspace, before it has its number. */
export interface NewEvent {
  type: EventType;
  at: Date;
  data: Record<string, unknown>;
  /** Where it came from, unique in the workspace: the same source delivered again adds nothing. */
  sourceKey?: string;
}

/** A numbered fact of a workspace. Numbers ascend from 1 without gaps. */
export interface WorkspaceEvent {
  seq: number;
  type: string;
  at: Date;
  data: Record<string, unknown>;
}

export type EventType =
  | 'workspace.state'
  | 'message.state'
  | 'authentication.state'
  | 'credential.state'
  | 'agent.text'
  | 'agent.tool'
  | 'agent.plan'
  | 'agent.usage'
  | 'budget.state'
  | 'egress.blocked'
  | 'git.pushed'
  | 'git.failed'
  | 'pull_request.opened'
  | 'conversation.state';
