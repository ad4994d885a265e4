import { Injectable } from '@nestjs/common';
import type {
  Kind,
  RepositorySource,
  RunnerAssignment,
  Scope,
  WorkspaceState,
  WorkspaceView,
} from '../contracts/index.js';
import { Database, type JsonObject, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import type { Machine } from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import { Moves } from './moves.js';
import { ownBranchOf } from './repository.js';
import { placesStore, type WorkspacePlace } from './places.store.js';
import { statesWithRunner } from './state.js';
import { Waker } from './waker.js';
import { workspacesStore, type LockedWorkspace } from './workspaces.store.js';

const HEARD_EVERY_MS = 1_000;

/** What machines say of workspaces: that a runner started, that the tree is there, that work is done. Their right to speak was proven by their token. */
@Injectable()
export class WorkspaceMachines {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly waker: Waker,
    private readonly world: World,
  ) {}

  /**
   * The first call of a runner that started: it speaks for the workspace from now on. Throws `runner-replaced` when the workspace is to have no runner now.
   */
  async runnerStarted(machine: Machine, runnerId: string): Promise<RunnerAssignment> {
    return this.database.tenant(machine.organizationId, async (tenant) => {
      const row = await workspacesStore.findLocked(tenant, machine.workspaceId);
      if (!row || !statesWithRunner.includes(row.state as WorkspaceState)) throw runnerReplaced();
      await workspacesStore.adoptRunner(tenant, row.id, runnerId, this.world.clock.now());
      // Whoever waits in the name of an earlier runner looks again, and hears that it was replaced.
      await eventsStore.notify(tenant, row.id);
      return {
        workspaceId: row.id,
        repository: row.source as RepositorySource,
        ref: row.ref,
        branch: row.branch,
        fallbackBranch: row.branch === ownBranchOf(row.id) ? null : ownBranchOf(row.id),
        readOnly: row.readOnly,
        instructions: row.instructions,
        agent: row.agent as RunnerAssignment['agent'],
        model: row.model,
      };
    });
  }

  /** The workspace, locked, if this runner still speaks for it. Throws `runner-replaced`. */
  async ofRunner(tenant: Tenant, machine: Machine, runnerId: string): Promise<LockedWorkspace> {
    const row = await workspacesStore.findLocked(tenant, machine.workspaceId);
    if (row?.runnerId !== runnerId || !statesWithRunner.includes(row.state as WorkspaceState))
      throw runnerReplaced();
    return row;
  }

  /** True while the workspace of this runner goes to sleep or away: the runner may end in order, and is told so rather than refused. */
  async isStopping(tenant: Tenant, machine: Machine, runnerId: string): Promise<boolean> {
    const row = await workspacesStore.findLocked(tenant, machine.workspaceId);
    return row?.runnerId === runnerId && (row.state === 'hibernating' || row.state === 'deleting');
  }

  /** The tree is there: provisioning or waking is over. A second runner of a running workspace changes nothing. */
  async prepared(tenant: Tenant, row: LockedWorkspace): Promise<void> {
    if (row.state !== 'provisioning' && row.state !== 'waking') return;
    await this.moves.move(tenant, row.id, row.state, {
      to: 'running',
      reason: null,
      at: this.world.clock.now(),
      ends: { state: 'succeeded' },
    });
  }

  /** The tree could not be prepared: said to people, and retried only when they ask. */
  async failed(
    tenant: Tenant,
    row: LockedWorkspace,
    error: { code: string; message: string },
  ): Promise<void> {
    if (row.state === 'failed') return;
    await this.moves.move(tenant, row.id, row.state as WorkspaceState, {
      to: 'failed',
      reason: error.message,
      at: this.world.clock.now(),
      ends: { state: 'failed', error },
    });
  }

  /** Has a worker look at the workspace after the commit: it moved, and something has to be done about it. */
  reconcileSoon(tenant: Tenant, { id }: { id: string }): void {
    this.waker.reconcileSoon(tenant, id);
  }

  /** The heartbeat of a runner: written now and then, since a poll looks at the rows more often than time passes. */
  async heard(tenant: Tenant, row: LockedWorkspace, runnerId: string): Promise<void> {
    const now = this.world.clock.now();
    const isFresh = row.runnerSeenAt && now.getTime() - row.runnerSeenAt.getTime() < HEARD_EVERY_MS;
    if (!isFresh) await workspacesStore.runnerSeen(tenant, row.id, runnerId, now);
  }

  runnerSeen(tenant: Tenant, row: LockedWorkspace, runnerId: string): Promise<void> {
    return workspacesStore.runnerSeen(tenant, row.id, runnerId, this.world.clock.now());
  }

  touch(tenant: Tenant, row: { id: string }): Promise<void> {
    return workspacesStore.touch(tenant, row.id, this.world.clock.now());
  }

  rememberSession(
    tenant: Tenant,
    { id, agentSession }: { id: string; agentSession: string | null },
    session: string,
  ): Promise<void> {
    // A place in one session means nothing in another.
    if (session === agentSession) return Promise.resolve();
    return workspacesStore.setAgentSession(tenant, id, { agentSession: session, agentPoint: null });
  }

  /** Up to where the agent's session is good; null: nobody knows. */
  rememberPoint(tenant: Tenant, { id }: { id: string }, agentPoint: string | null): Promise<void> {
    return workspacesStore.setAgentSession(tenant, id, { agentPoint });
  }

  /** How it stands with the agent's login, told as an event where that is news. Without a message: nothing waits for it any more, and there is nothing to say of it. */
  tellAuthentication(
    tenant: Tenant,
    row: { id: string },
    state: WorkspaceView['authentication'],
    message: string | null,
  ): Promise<void> {
    return workspacesStore.setAuthentication(tenant, row.id, state, message, this.world.clock.now());
  }

  /** A branch was published. Work that may not go to the branch that people share goes to the workspace's own from then on, and is for that one. */
  async pushed(tenant: Tenant, { id, branch }: LockedWorkspace, pushed: string): Promise<void> {
    if (pushed === branch || pushed !== ownBranchOf(id)) return;
    await workspacesStore.setWork(tenant, id, { branch: pushed, ref: branch });
  }

  /** How it stands with its pull request, in the words of the room that opens them. */
  keepPullRequest(
    tenant: Tenant,
    { id }: { id: string },
    kept: { pullRequest: JsonObject; pullRequestUrl: string | null },
  ): Promise<void> {
    return workspacesStore.setWork(tenant, id, kept);
  }

  rememberCredential(
    tenant: Tenant,
    row: { id: string },
    credential: { id: string; scope: Scope; kind: Kind },
  ): Promise<void> {
    return workspacesStore.setCredential(tenant, row.id, credential);
  }

  /** Any workspace of the organization, locked; null when it is gone. For the machine routes and jobs, whose right to it is proven already. */
  ofMachine(tenant: Tenant, workspaceId: string): Promise<LockedWorkspace | null> {
    return workspacesStore.findLocked(tenant, workspaceId);
  }

  /** As `ofMachine`, as far as a lease depends on it. */
  heldPlaceOf(tenant: Tenant, workspaceId: string): Promise<WorkspacePlace | null> {
    return placesStore.held(tenant, workspaceId);
  }

  /** The same of many. Those that another holds are left out, so that nobody waits for what is not theirs. */
  freePlacesOf(tenant: Tenant, workspaceIds: string[]): Promise<WorkspacePlace[]> {
    return placesStore.heldIfFree(tenant, workspaceIds);
  }

  /** The same without holding them. */
  placesOf(tenant: Tenant, workspaceIds: string[]): Promise<WorkspacePlace[]> {
    return placesStore.many(tenant, workspaceIds);
  }
}

function runnerReplaced(): BerthError {
  return new BerthError('runner-replaced', 'This runner does not speak for the workspace any more.');
}
