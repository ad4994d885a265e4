import { realpath, stat } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import type {
  AuditAction,
  AuditDetails,
  CreateWorkspace,
  DesiredState,
  OperationView,
  PageQuery,
  RepositorySource,
  WorkspaceState,
  WorkspaceView,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { CredentialsService, noCredential } from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { invalid, pageOf, sliceOf, type Page } from '../http/index.js';
import { administers, auditedMember, IdentityService, type Actor } from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import { refusals, rightsTo, type AccessFacts, type WorkspaceRight } from './access.js';
import { takesPlace } from './limits.js';
import { WorkspaceLimits } from './limits.service.js';
import { Moves, type StopHook } from './moves.js';
import { fileObstacle, ownBranchOf, parseRepository, refProblem } from './repository.js';
import { Repositories } from './repositories.service.js';
import { WorkspaceSettings } from './settings.js';
import { plan, retryStep, type Step } from './state.js';
import { rowTerms, type WorkspaceTerms } from './terms.js';
import { operationView, workspaceView } from './view.js';
import { Waker } from './waker.js';
import {
  factsOf,
  workspacesStore,
  type Initiator,
  type LockedWorkspace,
  type WorkspaceRow,
} from './workspaces.store.js';

/** Ends what others than its owner have under way in a workspace. */
export type UnshareHook = (tenant: Tenant, workspace: { id: string; ownerId: string }) => Promise<void>;

/** What people ask of workspaces. What machines say is in machines.service.ts; what has to be done about both is the reconciler's. */
@Injectable()
export class WorkspacesService {
  readonly #unshareHooks: UnshareHook[] = [];

  constructor(
    private readonly database: Database,
    private readonly credentials: CredentialsService,
    private readonly repositories: Repositories,
    private readonly identity: IdentityService,
    private readonly limits: WorkspaceLimits,
    private readonly waker: Waker,
    private readonly moves: Moves,
    private readonly settings: WorkspaceSettings,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /**
   * Makes a workspace; `alsoInside` runs in the same transaction (the first message). Throws `validation-failed`, `no-agent-credential`,
   * `limit-workspaces`, `limit-running`.
   */
  async create(
    actor: Actor,
    input: CreateWorkspace,
    terms: WorkspaceTerms,
    alsoInside: (tenant: Tenant, workspaceId: string) => Promise<void>,
  ): Promise<WorkspaceView> {
    const source = await this.sourceOf(input, terms);
    const { chosen } = await this.credentials.resolve({
      organizationId: actor.organizationId,
      userId: actor.userId,
      agent: input.agent,
      organizationOnly: terms.organizationOnly,
      bedrock: terms.provider === 'bedrock' ? { region: terms.awsRegion ?? null } : undefined,
    });
    if (!chosen) {
      // Who was removed this moment lost their credentials with it: that is what they are told.
      await this.database.tenant(actor.organizationId, (tenant) => this.identity.hold(tenant, actor));
      throw noCredential(input.agent);
    }
    const id = this.world.ids.next();
    const row = await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.identity.hold(tenant, actor);
      await this.limits.admitNew(tenant);
      const columns = {
        id,
        ownerId: actor.userId,
        name: input.name ?? defaultName(source),
        repository: input.repository.trim(),
        repositoryId: terms.repositoryId ?? (await this.repositories.numberOf(tenant, source)),
        source,
        ref: input.ref ?? null,
        ...rowTerms(terms, ownBranchOf(id)),
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
      const { name, repository, agent, model, origin } = columns;
      const details = { repository, agent, model, origin: origin.type };
      this.book(tenant, actor, 'workspace.created', { id, name }, details);
      await alsoInside(tenant, id);
      this.waker.reconcileSoon(tenant, id);
      return workspacesStore.find(tenant, id);
    });
    return this.view(row);
  }

  async list(actor: Actor, query: PageQuery): Promise<Page<WorkspaceView>> {
    const slice = sliceOf(query);
    const whose = administers(actor) ? null : actor.userId;
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      workspacesStore.list(tenant, whose, slice),
    );
    const now = this.world.clock.now();
    return pageOf(rows, slice, (row) => workspaceView(row, now));
  }

  /** Whether there is such a workspace in the organization. Inside a transaction of the caller. */
  async exists(tenant: Tenant, id: string): Promise<boolean> {
    return (await workspacesStore.find(tenant, id)) !== null;
  }

  /** How it is; null when it is gone. Inside a transaction of the caller. */
  async stateOf(
    tenant: Tenant,
    id: string,
  ): Promise<{ state: WorkspaceState; desiredState: DesiredState } | null> {
    const row = await workspacesStore.find(tenant, id);
    return row && { state: row.state as WorkspaceState, desiredState: row.desiredState as DesiredState };
  }

  async show(actor: Actor, id: string): Promise<WorkspaceView> {
    return this.view(
      await this.database.tenant(actor.organizationId, (tenant) => this.see(tenant, actor, id, 'see')),
    );
  }

  async update(
    actor: Actor,
    id: string,
    change: Parameters<typeof workspacesStore.update>[2],
  ): Promise<WorkspaceView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const row = await this.reach(tenant, actor, id, 'use');
      await workspacesStore.update(tenant, id, change);
      if (row.shared && change.shared === false) await this.unshared(tenant, row);
      this.book(tenant, actor, 'workspace.updated', row, change);
      return this.view(await workspacesStore.find(tenant, id));
    });
  }

  async operations(actor: Actor, id: string, query: PageQuery): Promise<Page<OperationView>> {
    const slice = sliceOf(query);
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const workspace = await this.see(tenant, actor, id, 'see');
      const rows = await workspacesStore.operations(tenant, id, slice);
      const now = this.world.clock.now();
      return pageOf(rows, slice, (row) => operationView(row, workspace, now));
    });
  }

  hibernate(actor: Actor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'hibernated', 'administer');
  }

  /** Wakes, or retries a failed one. Which credential serves is resolved anew at each lease, so none is asked for here (rule 7). */
  wake(actor: Actor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'running', 'converse');
  }

  delete(actor: Actor, id: string): Promise<WorkspaceView> {
    return this.request(actor, id, 'deleted', 'administer');
  }

  /**
   * The workspace for reading, if the actor has the right; else `not-found` for who may not even see it, `forbidden` for who may.
   * Takes no lock: readers of a stream must not stand in the way of who writes it, nor of each other. The membership is asked anew, since a stream lives longer than a
   * request, and longer perhaps than its reader's right to it.
   */
  async see(tenant: Tenant, actor: Actor, id: string, needed: WorkspaceRight): Promise<WorkspaceRow> {
    const member = await this.identity.still(tenant, actor);
    return allowed(await workspacesStore.find(tenant, id), member, needed);
  }

  /** Who of many readers may not do what `see` allows, or no more, and why. The API keys by which they came are asked about, too: a key may have gone since. */
  async refused(
    tenant: Tenant,
    actors: Actor[],
    id: string,
    needed: WorkspaceRight,
  ): Promise<Map<Actor, BerthError>> {
    const members = await this.identity.stillAll(tenant, actors);
    const row = await workspacesStore.find(tenant, id);
    const objections = actors.map((actor) => [actor, objectionTo(row, members.get(actor), needed)] as const);
    return new Map(objections.flatMap(([actor, objection]) => (objection ? [[actor, objection]] : [])));
  }

  /** As `see`, with membership and row locked until the transaction ends: other rooms act on it inside the same transaction. */
  async reach(tenant: Tenant, actor: Actor, id: string, needed: WorkspaceRight): Promise<LockedWorkspace> {
    const member = await this.identity.hold(tenant, actor);
    return allowed(await workspacesStore.findLocked(tenant, id), member, needed);
  }

  /**
   * As `reach`, for who was admitted by the conversation at another system that the workspace is behind: they write there, each with their own credentials, and see here what they saw before. Throws
   * `not-found`.
   */
  async reachThrough(tenant: Tenant, actor: Actor, id: string): Promise<LockedWorkspace> {
    await this.identity.hold(tenant, actor);
    const row = await workspacesStore.findLocked(tenant, id);
    if (!row) throw noWorkspace();
    return row;
  }

  /** The workspace, locked for what Berth does by itself; null when it is gone. */
  lock(tenant: Tenant, id: string): Promise<LockedWorkspace | null> {
    return workspacesStore.findLocked(tenant, id);
  }

  /** Adds what another room has to end whenever a workspace begins to hibernate or fails; runs inside the transaction of the move. */
  whenStopped(hook: StopHook): void {
    this.moves.whenStopped(hook);
  }

  /** Adds what another room has to end when a workspace is not shared any more; runs inside the transaction, with the workspace locked. */
  whenUnshared(hook: UnshareHook): void {
    this.#unshareHooks.push(hook);
  }

  /** Asks for the workspace to run, inside a transaction of the caller. `retry`: one that failed is tried again. */
  async askToRun(
    tenant: Tenant,
    row: LockedWorkspace,
    actor: Actor,
    reason: string,
    retry = false,
  ): Promise<void> {
    await this.desire(tenant, row, 'running', memberInitiator(actor), reason, retry);
  }

  private async unshared(tenant: Tenant, { id, ownerId }: LockedWorkspace): Promise<void> {
    for (const hook of this.#unshareHooks) await hook(tenant, { id, ownerId });
    // Its readers look again, and but for the owner find that it is not theirs to read.
    await eventsStore.notify(tenant, id);
  }

  private async request(
    actor: Actor,
    id: string,
    desired: DesiredState,
    needed: WorkspaceRight,
  ): Promise<WorkspaceView> {
    const row = await this.database.tenant(actor.organizationId, async (tenant) => {
      const locked = await this.reach(tenant, actor, id, needed);
      await this.desire(tenant, locked, desired, memberInitiator(actor), 'asked for', true);
      this.book(tenant, actor, actionOf[desired], locked, { state: locked.state });
      return workspacesStore.find(tenant, id);
    });
    return this.view(row);
  }

  /** A row that was just written or read under lock, as the outside sees it. */
  private view(row: WorkspaceRow | null): WorkspaceView {
    if (!row) throw noWorkspace();
    return workspaceView(row, this.world.clock.now());
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
    const before = factsOf(row);
    if (desired === 'running' && !takesPlace(before)) await this.limits.admitRunning(tenant);
    const now = this.world.clock.now();
    await workspacesStore.desire(tenant, row.id, desired, now);
    const facts = { ...before, desiredState: desired, lastActivityAt: now };
    const step: Step = row.state === 'failed' && desired === 'running' ? retryStep(facts) : plan(facts, now);
    if (step.do === 'begin') {
      const begins = { id: this.world.ids.next(), kind: step.operation, reason, initiator };
      await this.moves.move(tenant, row.id, facts.state, { to: step.to, reason: null, at: now, begins });
    }
    await eventsStore.notify(tenant, row.id);
    this.waker.reconcileSoon(tenant, row.id);
  }

  private book(
    tenant: Tenant,
    actor: Actor,
    action: AuditAction,
    { id, name }: { id: string; name: string },
    details: AuditDetails,
  ): void {
    const subject = { type: 'workspace' as const, id, name };
    this.audit.record(tenant, { action, actor: auditedMember(actor), subject, details });
  }

  private async sourceOf(
    { repository, ref }: CreateWorkspace,
    { branch }: WorkspaceTerms,
  ): Promise<RepositorySource> {
    const wrong = (path: string, message: string): BerthError => invalid([{ path: `body.${path}`, message }]);
    for (const [path, name] of Object.entries({ ref, branch })) {
      const problem = name === undefined ? null : refProblem(name);
      if (problem) throw wrong(path, problem);
    }
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

const actionOf: Record<DesiredState, AuditAction> = {
  running: 'workspace.woken',
  hibernated: 'workspace.hibernated',
  deleted: 'workspace.deleted',
};

function allowed<Row extends AccessFacts>(row: Row | null, actor: Actor, needed: WorkspaceRight): Row {
  const objection = objectionTo(row, actor, needed);
  if (!row || objection) throw objection ?? noWorkspace();
  return row;
}

/** Why somebody may not do something with a workspace; null when they may. */
function objectionTo(
  row: AccessFacts | null,
  actor: Actor | undefined,
  needed: WorkspaceRight,
): BerthError | null {
  const rights = row && actor ? rightsTo(row, actor) : [];
  if (!rights.includes('see')) return noWorkspace();
  if (needed === 'see' || rights.includes(needed)) return null;
  return new BerthError('forbidden', refusals[needed]);
}

export function noWorkspace(): BerthError {
  return new BerthError('not-found', 'There is no such workspace here.');
}

function memberInitiator({ userId, name }: Actor): Initiator {
  return { type: 'member', id: userId, name };
}

function defaultName({ path }: RepositorySource): string {
  return (path.split('/').at(-1) ?? path).replace(/\.git$/, '').slice(0, 100) || 'workspace';
}
