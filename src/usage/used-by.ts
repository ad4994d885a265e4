import type { KnownRepository } from '../workspaces/index.js';

/** What model calls were used for. */
export interface UsedBy {
  workspaceId: string;
  workspaceName: string;
  repository: KnownRepository;
  turnId: string | null;
  /** Whom the agent worked for; null: the organization itself. */
  member: { id: string; name: string | null } | null;
}
