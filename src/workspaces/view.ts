import type {
  Agent,
  DesiredState,
  OperationView,
  WorkspaceState,
  WorkspaceView,
} from '../contracts/index.js';
import type { workspacesStore, WorkspaceRow } from './workspaces.store.js';

/** A workspace as the outside sees it. */
export function workspaceView(row: WorkspaceRow): WorkspaceView {
  return {
    id: row.id,
    name: row.name,
    repository: row.repository,
    ref: row.ref,
    branch: row.branch,
    agent: row.agent as Agent,
    model: row.model,
    owner: row.owner,
    state: row.state as WorkspaceState,
    desiredState: row.desiredState as DesiredState,
    stateReason: row.stateReason,
    authentication: row.authentication as WorkspaceView['authentication'],
    credential: row.credential as WorkspaceView['credential'],
    origin: row.origin as WorkspaceView['origin'],
    pullRequestUrl: row.pullRequestUrl,
    idleTimeoutMinutes: row.idleTimeoutMinutes,
    createdAt: row.createdAt.toISOString(),
    lastActivityAt: row.lastActivityAt.toISOString(),
  };
}

type OperationRow = Awaited<ReturnType<typeof workspacesStore.operations>>[number];

export function operationView(row: OperationRow): OperationView {
  return {
    id: row.id,
    kind: row.kind as OperationView['kind'],
    state: row.state as OperationView['state'],
    reason: row.reason,
    initiator: row.initiator as OperationView['initiator'],
    error: row.error as OperationView['error'],
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
