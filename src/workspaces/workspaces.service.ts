import { realpath, stat } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import type {
  CreateWorkspace,
  DesiredState,
  Kind,
  OperationView,
  PageQuery,
  RepositorySource,
  RunnerAssignment,
  Scope,
  WorkspaceState,
  WorkspaceView,
} from '../contracts/index.js';
import { CredentialsService, noCredential } from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { invalid, pageOf, sliceOf, type Page } from '../http/index.js';
import { administers, type Machine, type MemberActor } from '../identity/index.js';
import { BerthError, shortId, World } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { accessTo, type WorkspaceAccess } from './access.js';
import { Moves, type StopHook } from './moves.js';
import { fileObstacle, parseRepository, refProblem } from './repository.js';
import { WorkspaceSettings } from './settings.js';
import { plan, retryStep, statesWithRunner, type Step } from './state.js';
import { operationView, workspaceView } from './view.js';
import {
  factsOf,
  workspacesStore,
  type Initiator,
  type LockedWorkspace,
  type WorkspaceRow,
} from './workspaces.store.js';

/** What people and machines ask of workspaces. What has to be done about it is the reconciler's. */
@Injectable()
export class WorkspacesService {
  constructor(
    private readonly database: Database,
    private readonly credentials: CredentialsService,
    private readonly queue: JobQueue,
    private readonly moves: Moves,
    private readonly settings: WorkspaceSettings,
    private readonly world: World,
  ) {}

  /**
   * Makes a workspace; `alsoInside` runs in the same transaction (the first message). Throws `validation-failed`, `no-agent-credential`.
   */
  async create(
    actor: MemberActor,
    input: CreateWorkspace,
    alsoInside: (tenant: Tenant, workspaceId: string) => Promise<void>,
  ): Promise<WorkspaceView> {
    const source = await this.sourceOf(input);
    const { chosen } = await this.credentials.resolve({
      organizationId: actor.organizationId,
      userId: actor.userId,
      agent: input.agent,
    });
    if (!chosen) throw noCredential(input.agent);
    const id = this.world.ids.next();
    const row = await this.database.tenant(actor.organizationId, async (tenant) => {
      const columns = {
        id,
        ownerId: actor.userId,
        name: input.name ?? defaultName(source),
        repository: input.repository.trim(),
        source,
        ref: input.ref ?? null,
        branch: `berth/${shortId(id)}`,
        agent: input.agent,
        model: input.model ?? this.settings.defaultModels[input.agent],
        credential: { id: chosen.credentialId, scope: chosen.scope, kind: chosen.kind },
        idleTimeoutMinutes: input.idleTimeoutMinutes,
        at: this.world.clock.now(),
      };
      await workspacesStore.create(tenant, columns, {
        id: this.world.ids.next(),
        reason: 'made',
        initiator: memberInitiator(actor),
      });
      await alsoInside(tenant, id);
      return workspacesStore.find(tenant, id);
    });
    await this.reconcileSoon(actor.organizationId, id);
    return workspaceView(present(row));
  }

  async list(actor: MemberActor, query: PageQuery): Promise<Page<WorkspaceView>> {
    const slice = sliceOf(query);
    const whose = administers(actor) ? null : actor.userId;
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      workspacesStore.list(tenant, whose, slice),
    );
    return pageOf(rows, slice, workspaceView);
  }

  async show(actor: MemberActor, id: string): Promise<WorkspaceView> {
    return workspaceView(
      await this.database.tenant(actor.organizationId, (tenant) =>
        this.reach(tenant, actor, id, 'administer'),
      ),
    );
  }

  async update(
    actor: MemberActor,
    id: string,
    change: Parameters<typeof workspacesStore.update>[2],
  ): Promise<WorkspaceView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await this.reach(tenant, actor, id, 'use');
      await workspacesStore.update(tenant, id, change);
      return workspaceView(present(await workspacesStore.find(tenant, id)));
    });
  }

  async operations(actor: MemberActor, id: string, query: PageQuery): Promise<Page<OperationView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.reach(tenant, actor, id, 'administer');
      return workspacesStore.operations(tenant, id, slice);
    });
    return pageOf(rows, slice, operationView);
  }

  hibernate(actor: MemberActor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'hibernated', 'administer');
  }

  /** Wakes, or retries a failed one. Which credential serves is resolved anew at each lease, so none is asked for here (rule 7). */
  wake(actor: MemberActor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'running', 'use');
  }

  delete(actor: MemberActor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'deleted', 'administer');
  }

  /**
   * The workspace, if the actor may at least `needed`; else `not-found` for who may not even see it, `forbidden` for who may only administer. With a
   * workspace in hand, other rooms act inside the same transaction.
   */
  async reach(
    tenant: Tenant,
    actor: MemberActor,
    id: string,
    needed: Exclude<WorkspaceAccess, 'none'>,
  ): Promise<LockedWorkspace> {
    const row = await workspacesStore.findLocked(tenant, id);
    const access = row ? accessTo(row.ownerId, actor) : 'none';
    if (!row || access === 'none') throw noWorkspace();
    if (needed === 'use' && access !== 'use') {
      throw new BerthError(
        'forbidden',
        "This is another member's workspace: an admin may stop or delete it, but not read or use it.",
      );
    }
    return row;
  }

  /** Asks for the workspace to run, inside a transaction of the caller, who calls `reconcileSoon` after it. */
  async askToRun(tenant: Tenant, row: LockedWorkspace, actor: MemberActor, reason: string): Promise<void> {
    await this.desire(tenant, row, 'running', memberInitiator(actor), reason, false);
  }

  /** Wakes a worker for the workspace. After the commit; what is lost here is found by the sweep. */
  async reconcileSoon(organizationId: string, workspaceId: string): Promise<void> {
    await this.queue.add('workspace.reconcile', { organizationId, workspaceId });
  }

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

  /** The tree is there: provisioning or waking is over. A second runner of a running workspace changes nothing. */
  async prepared(tenant: Tenant, row: LockedWorkspace): Promise<void> {
    if (row.state === 'running') return;
    await this.moves.move(tenant, row.id, row.state as WorkspaceState, {
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
    await this.moves.move(tenant, row.id, row.state as WorkspaceState, {
      to: 'failed',
      reason: error.message,
      at: this.world.clock.now(),
      ends: { state: 'failed', error },
    });
  }

  runnerSeen(tenant: Tenant, row: LockedWorkspace, runnerId: string): Promise<void> {
    return workspacesStore.runnerSeen(tenant, row.id, runnerId, this.world.clock.now());
  }

  touch(tenant: Tenant, row: { id: string }): Promise<void> {
    return workspacesStore.touch(tenant, row.id, this.world.clock.now());
  }

  rememberSession(tenant: Tenant, row: { id: string }, session: string): Promise<void> {
    return workspacesStore.setAgentSession(tenant, row.id, session);
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

  private async request(
    actor: MemberActor,
    id: string,
    desired: DesiredState,
    needed: 'use' | 'administer',
  ): Promise<WorkspaceView> {
    const row = await this.database.tenant(actor.organizationId, async (tenant) => {
      const locked = await this.reach(tenant, actor, id, needed);
      await this.desire(tenant, locked, desired, memberInitiator(actor), 'asked for', true);
      return workspacesStore.find(tenant, id);
    });
    await this.reconcileSoon(actor.organizationId, id);
    return workspaceView(present(row));
  }

  /** Writes what is wanted, and begins at once what is due by that: the operation then carries the name of who asked. */
  private async desire(
    tenant: Tenant,
    row: LockedWorkspace,
    desired: DesiredState,
    initiator: Initiator,
    reason: string,
    retry: boolean,
  ): Promise<void> {
    if (row.desiredState === 'deleted' && desired !== 'deleted') {
      throw new BerthError('workspace-deleting', 'This workspace is being deleted.');
    }
    if (row.state === 'failed' && desired === 'running' && !retry) {
      throw new BerthError(
        'workspace-failed',
        `This workspace has failed: ${row.stateReason ?? 'unknown'} Wake it to try again.`,
      );
    }
    if (row.state === 'failed' && desired === 'hibernated') {
      throw new BerthError(
        'operation-not-possible',
        'This workspace has failed and runs nothing. Wake it to try again, or delete it.',
      );
    }
    const now = this.world.clock.now();
    await workspacesStore.desire(tenant, row.id, desired, now);
    const facts = { ...factsOf(row), desiredState: desired, lastActivityAt: now };
    const step: Step = row.state === 'failed' && desired === 'running' ? retryStep(facts) : plan(facts, now);
    if (step.do === 'begin') {
      const begins = { id: this.world.ids.next(), kind: step.operation, reason, initiator };
      await this.moves.move(tenant, row.id, facts.state, { to: step.to, reason: null, at: now, begins });
    }
    await eventsStore.notify(tenant, row.id);
  }

  private async sourceOf({ repository, ref }: CreateWorkspace): Promise<RepositorySource> {
    const wrong = (path: string, message: string): BerthError => invalid([{ path: `body.${path}`, message }]);
    const problem = ref === undefined ? null : refProblem(ref);
    if (problem) throw wrong('ref', problem);
    const parsed = parseRepository(repository);
    if ('problem' in parsed) throw wrong('repository', parsed.problem);
    const { source } = parsed;
    if (source.type !== 'file') return source;
    // Roots are asked first, of the text: who may not use a folder does not learn whether it exists.
    const obstacle = fileObstacle(source.path, this.settings.repositories);
    if (obstacle) throw wrong('repository', obstacle);
    const real = await realpath(source.path).catch(() => null);
    if (!real || !(await stat(real)).isDirectory())
      throw wrong('repository', 'is not a folder on this server');
    const realObstacle = fileObstacle(real, this.settings.repositories);
    if (realObstacle) throw wrong('repository', realObstacle);
    return { type: 'file', url: `file://${real}`, path: real };
  }
}

export function noWorkspace(): BerthError {
  return new BerthError('not-found', 'There is no such workspace here.');
}

function runnerReplaced(): BerthError {
  return new BerthError('runner-replaced', 'This runner does not speak for the workspace any more.');
}

/** A row that was just written or read under lock. */
function present(row: WorkspaceRow | null): WorkspaceRow {
  if (!row) throw noWorkspace();
  return row;
}

function memberInitiator({ userId, name }: MemberActor): Initiator {
  return { type: 'member', id: userId, name };
}

function defaultName({ path }: RepositorySource): string {
  return (path.split('/').at(-1) ?? path).replace(/\.git$/, '').slice(0, 100) || 'workspace';
}
