import type {
  Agent,
  DesiredState,
  OperationView,
  WorkspaceState,
  WorkspaceView,
} from '../contracts/index.js';
import { waitOf } from './deadlines.js';
import { phaseOf, type workspacesStore, type WorkspaceRow } from './workspaces.store.js';

/** A workspace as the outside sees it. */
export function workspaceView(row: WorkspaceRow, now: Date): WorkspaceView {
  return {
    id: row.id,
    name: row.name,
    shared: row.shared,
    repository: row.repository,
    ref: row.ref,
    branch: row.branch,
    agent: row.agent as Agent,
    model: row.model,
    owner: row.owner,
    state: row.state as WorkspaceState,
    desiredState: row.desiredState as DesiredState,
    // Of one that changes and takes long, what it waits for; else why it is where it is.
    stateReason: waitOf(phaseOf(row), now)?.message ?? row.stateReason,
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

/** `workspace` is the row it belongs to: what an operation under way waits for is seen there. */
export function operationView(row: OperationRow, workspace: WorkspaceRow, now: Date): OperationView {
  const isRunning = row.state === 'running';
  return {
    id: row.id,
    kind: row.kind as OperationView['kind'],
    state: row.state as OperationView['state'],
    reason: row.reason,
    initiator: row.initiator as OperationView['initiator'],
    error: row.error as OperationView['error'],
    waitsFor: isRunning ? waitOf(phaseOf(workspace), now) : null,
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
