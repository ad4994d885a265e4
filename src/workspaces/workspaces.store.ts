import { Prisma } from '../database/generated/client.js';
import type { DesiredState, Kind, Scope, WorkspaceState, WorkspaceView } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import type { Slice } from '../http/index.js';
import { BerthError } from '../kernel/index.js';
import type { PhaseFacts } from './deadlines.js';
import type { NewWorkspace, WorkChange } from './terms.js';
import { legalMoves, statesWithRunner, type OperationKind, type WorkspaceFacts } from './state.js';

/** Who asked for an operation. */
export interface Initiator {
  type: 'member' | 'system';
  id: string;
  name: string;
}

/** A move of a workspace, as data: where to, why, which operation it begins, and how the one under way ends. */
export interface Move {
  to: WorkspaceState;
  /** Said to people; a move to `failed` needs one. */
  reason: string | null;
  at: Date;
  begins?: { id: string; kind: OperationKind; reason: string; initiator: Initiator };
  /** How the operation under way ends. Without it, it is superseded by the one that begins. */
  ends?: { state: 'succeeded' } | { state: 'failed'; error: { code: string; message: string } };
}

const owner = { select: { id: true, name: true, email: true } } as const;
const openTurns = { turns: { where: { state: { in: ['queued', 'running', 'reauthenticating'] } } } };
/** Whether a worker has begun to start machines: part of what a workspace waits for. */
const machineTokens = { machineTokens: true } as const;
const withOwner = { owner, _count: { select: machineTokens } } as const;

/** The only writer of workspaces, their operations and machine tokens. */
export const workspacesStore = {
  async create(
    tenant: Tenant,
    row: NewWorkspace,
    operation: { id: string; reason: string; initiator: Initiator },
  ): Promise<void> {
    const { at, origin, decision, pullRequest, ...columns } = row;
    await tenant.db.workspace.create({
      data: {
        ...columns,
        origin: { ...origin },
        decision: decision ?? Prisma.DbNull,
        pullRequest: pullRequest ?? Prisma.DbNull,
        pullRequestUrl: pullRequest?.url ?? null,
        organizationId: tenant.organizationId,
        state: 'provisioning',
        desiredState: 'running',
        authentication: 'ok',
        lastActivityAt: at,
        stateChangedAt: at,
        createdAt: at,
      },
    });
    await beginOperation(tenant, row.id, { ...operation, kind: 'provision' }, at);
    await announce(tenant, row.id, { to: 'provisioning', reason: null, at });
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.workspace.findUnique({
      where: { organizationId_id: { organizationId, id } },
      include: withOwner,
    });
  },

  /** As `find`, holding the row until the transaction ends: who decides by what it reads must not be overtaken. */
  async findLocked({ db, organizationId }: Tenant, id: string) {
    await db.$queryRaw`select 1 from workspace where organization_id = ${organizationId}::uuid and id = ${id}::uuid for update`;
    return db.workspace.findUnique({
      where: { organizationId_id: { organizationId, id } },
      include: { owner, _count: { select: { ...openTurns, ...machineTokens } } },
    });
  },

  /** Newest first; all, or those that are one member's or shared. */
  list({ db, organizationId }: Tenant, userId: string | null, { after, take }: Slice) {
    const own = userId ? { OR: [{ ownerId: userId }, { shared: true }] } : {};
    return db.workspace.findMany({
      where: { organizationId, ...own, ...(after ? { id: { lt: after } } : {}) },
      include: withOwner,
      orderBy: { id: 'desc' },
      take,
    });
  },

  /** What counts against the organization's limits; the same rule as `takesPlace` (limits.ts), as a query. */
  async count({ db, organizationId }: Tenant): Promise<{ workspaces: number; running: number }> {
    const alive = { organizationId, NOT: { desiredState: 'deleted' } };
    const workspaces = await db.workspace.count({ where: alive });
    const running = await db.workspace.count({
      where: {
        ...alive,
        state: { not: 'failed' },
        OR: [{ desiredState: 'running' }, { state: { in: [...statesWithRunner] } }],
      },
    });
    return { workspaces, running };
  },

  /** Those that everybody in the organization may read. */
  async sharedIds({ db, organizationId }: Tenant): Promise<string[]> {
    const rows = await db.workspace.findMany({
      where: { organizationId, shared: true },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  },

  /** In the order in which they are to be locked. */
  async idsOfOwner({ db, organizationId }: Tenant, ownerId: string): Promise<string[]> {
    const rows = await db.workspace.findMany({
      where: { organizationId, ownerId },
      select: { id: true },
      orderBy: { id: 'asc' },
    });
    return rows.map(({ id }) => id);
  },

  async update(
    { db, organizationId }: Tenant,
    id: string,
    {
      name,
      model,
      idleTimeoutMinutes,
      shared,
    }: { name?: string; model?: string; idleTimeoutMinutes?: number; shared?: boolean },
  ): Promise<void> {
    // Prisma leaves alone what is undefined.
    await db.workspace.updateMany({
      where: { organizationId, id },
      data: { name, model, idleTimeoutMinutes, shared },
    });
  },

  async desire(
    { db, organizationId }: Tenant,
    id: string,
    desiredState: DesiredState,
    at: Date,
  ): Promise<void> {
    // What was asked for is activity: a workspace that was woken must not be found idle at once.
    const data = desiredState === 'running' ? { desiredState, lastActivityAt: at } : { desiredState };
    await db.workspace.updateMany({ where: { organizationId, id }, data });
  },

  /**
   * The one writer of states: moves a workspace if it is still where the caller saw it, books the operations, and tells it as an event, all or nothing. False when
   * somebody else was first: the caller has to look again. Throws on a move that the table does not know.
   */
  async move(tenant: Tenant, id: string, from: WorkspaceState, move: Move): Promise<boolean> {
    if (!legalMoves[from].includes(move.to))
      throw new BerthError('internal', `A workspace cannot go from ${from} to ${move.to}.`);
    if (move.to === 'failed' && !move.reason)
      throw new BerthError('internal', 'A move to failed needs a reason.');
    const { db, organizationId } = tenant;
    const { count } = await db.workspace.updateMany({
      where: { organizationId, id, state: from },
      data: {
        state: move.to,
        stateReason: move.reason,
        obstacle: null,
        stateChangedAt: move.at,
        ...(move.to === 'running' ? { preparedAt: move.at, lastActivityAt: move.at } : {}),
        ...(move.to === 'hibernated' || move.to === 'failed' ? { runnerId: null } : {}),
      },
    });
    if (count === 0) return false;
    await endOperation(tenant, id, move);
    if (move.begins) await beginOperation(tenant, id, move.begins, move.at);
    await announce(tenant, id, move);
    return true;
  },

  /** Gives a workspace that has no host to this one; does nothing to one that has. */
  async place({ db, organizationId }: Tenant, id: string, hostId: string): Promise<boolean> {
    const { count } = await db.workspace.updateMany({
      where: { organizationId, id, hostId: null },
      data: { hostId },
    });
    return count === 1;
  },

  /**
   * Says what keeps a workspace in a state that must end, or (null) that nothing does any more. Does nothing when it left that state meanwhile.
   */
  async tellObstacle(
    { db, organizationId }: Tenant,
    id: string,
    state: WorkspaceState,
    obstacle: string | null,
  ): Promise<void> {
    await db.workspace.updateMany({ where: { organizationId, id, state }, data: { obstacle } });
  },

  /** The end of a deletion: the row goes, and with it messages, turns, events and tokens. */
  async remove(tenant: Tenant, id: string): Promise<void> {
    const { db, organizationId } = tenant;
    await eventsStore.notify(tenant, id);
    await db.workspace.deleteMany({ where: { organizationId, id, state: 'deleting' } });
  },

  operations({ db, organizationId }: Tenant, workspaceId: string, { after, take }: Slice) {
    return db.operation.findMany({
      where: { organizationId, workspaceId, ...(after ? { id: { lt: after } } : {}) },
      orderBy: { id: 'desc' },
      take,
    });
  },

  /** This runner speaks for the workspace from now on; whichever did before is refused. */
  async adoptRunner({ db, organizationId }: Tenant, id: string, runnerId: string, at: Date): Promise<void> {
    await db.workspace.updateMany({ where: { organizationId, id }, data: { runnerId, runnerSeenAt: at } });
  },

  async runnerSeen({ db, organizationId }: Tenant, id: string, runnerId: string, at: Date): Promise<void> {
    await db.workspace.updateMany({ where: { organizationId, id, runnerId }, data: { runnerSeenAt: at } });
  },

  async setAgentSession(
    { db, organizationId }: Tenant,
    id: string,
    data: { agentSession?: string; agentPoint: string | null },
  ): Promise<void> {
    await db.workspace.updateMany({ where: { organizationId, id }, data });
  },

  /** Writes how it stands with the agent's login. Told as an event only where it changed, so that a thing said twice is told once. */
  async setAuthentication(
    tenant: Tenant,
    id: string,
    authentication: WorkspaceView['authentication'],
    message: string | null,
    at: Date,
  ): Promise<void> {
    const { db, organizationId } = tenant;
    const { count } = await db.workspace.updateMany({
      where: { organizationId, id, NOT: { authentication } },
      data: { authentication },
    });
    if (count === 0) return;
    const { agent } = await db.workspace.findUniqueOrThrow({
      where: { organizationId_id: { organizationId, id } },
      select: { agent: true },
    });
    const state = authentication === 'ok' ? 'restored' : authentication;
    await eventsStore.append(tenant, id, [
      { type: 'authentication.state', at, data: { agent, state, ...(message === null ? {} : { message }) } },
    ]);
  },

  async setCredential(
    { db, organizationId }: Tenant,
    id: string,
    credential: { id: string; scope: Scope; kind: Kind } | null,
  ): Promise<void> {
    await db.workspace.updateMany({
      where: { organizationId, id },
      data: { credential: credential ?? Prisma.DbNull },
    });
  },

  /** To which branch its work goes, from where; or how it stands with the pull request of that. */
  async setWork({ db, organizationId }: Tenant, id: string, data: WorkChange): Promise<void> {
    await db.workspace.updateMany({ where: { organizationId, id }, data });
  },

  /** From now on it is this repository. False when it is one by its number already: of two at once one says which. */
  async setRepositoryId({ db, organizationId }: Tenant, id: string, repositoryId: string): Promise<boolean> {
    const { count } = await db.workspace.updateMany({
      where: { organizationId, id, repositoryId: null },
      data: { repositoryId },
    });
    return count > 0;
  },

  /** Repositories as they are called now, where that is not how they were named. In the order of ids, in which others lock them too. */
  async rename(
    { db, organizationId }: Tenant,
    repositories: { repositoryId: string; fullName: string }[],
  ): Promise<void> {
    const ids = repositories.map(({ repositoryId }) => repositoryId);
    const names = repositories.map(({ fullName }) => fullName);
    await db.$executeRaw`
      with named as (
        select w.id, n.name from workspace w join unnest(${ids}::text[], ${names}::text[]) as n (id, name) on n.id = w.repository_id
         where w.organization_id = ${organizationId}::uuid and lower(regexp_replace(w.repository, '^https://[^/]+/|([.]git)?/?$', '', 'g')) <> lower(n.name)
         order by w.id for update of w)
      update workspace set repository = named.name from named where workspace.id = named.id`;
  },

  /** Real work happened: the idle time begins anew. Reads never call this. */
  async touch({ db, organizationId }: Tenant, id: string, at: Date): Promise<void> {
    await db.workspace.updateMany({
      where: { organizationId, id, lastActivityAt: { lt: at } },
      data: { lastActivityAt: at },
    });
  },

  async issueToken(
    { db, organizationId }: Tenant,
    token: { hash: string; workspaceId: string; identity: 'runner' | 'proxy'; createdAt: Date },
  ): Promise<void> {
    await db.machineToken.create({ data: { ...token, organizationId } });
  },

  /** Takes away the workspace's machine tokens but those named; with `identity`, of that identity only. */
  async revokeTokens(
    { db, organizationId }: Tenant,
    workspaceId: string,
    keep: string[],
    identity?: 'runner' | 'proxy',
  ): Promise<void> {
    await db.machineToken.deleteMany({
      where: { organizationId, workspaceId, hash: { notIn: keep }, ...(identity ? { identity } : {}) },
    });
  },

  async revokeToken({ db, organizationId }: Tenant, hash: string): Promise<void> {
    await db.machineToken.deleteMany({ where: { organizationId, hash } });
  },
};

async function beginOperation(
  { db, organizationId }: Tenant,
  workspaceId: string,
  { id, kind, reason, initiator }: NonNullable<Move['begins']>,
  at: Date,
): Promise<void> {
  await db.operation.create({
    data: {
      id,
      organizationId,
      workspaceId,
      kind,
      state: 'running',
      reason,
      initiator: { ...initiator },
      createdAt: at,
    },
  });
}

async function endOperation(
  { db, organizationId }: Tenant,
  workspaceId: string,
  { ends, at }: Move,
): Promise<void> {
  const state = ends?.state ?? 'superseded';
  const error = ends?.state === 'failed' ? { error: ends.error } : {};
  await db.operation.updateMany({
    where: { organizationId, workspaceId, state: 'running' },
    data: { state, finishedAt: at, ...error },
  });
}

async function announce(
  tenant: Tenant,
  id: string,
  { to, reason, at }: Pick<Move, 'to' | 'reason' | 'at'>,
): Promise<void> {
  await eventsStore.append(tenant, id, [
    { type: 'workspace.state', at, data: { state: to, ...(reason ? { reason } : {}) } },
  ]);
}

export type WorkspaceRow = NonNullable<Awaited<ReturnType<typeof workspacesStore.find>>>;
export type LockedWorkspace = NonNullable<Awaited<ReturnType<typeof workspacesStore.findLocked>>>;

export function factsOf(row: LockedWorkspace): WorkspaceFacts {
  return {
    desiredState: row.desiredState as DesiredState,
    prepared: row.preparedAt !== null,
    openTurns: row._count.turns,
    lastActivityAt: row.lastActivityAt,
    idleTimeoutMinutes: row.idleTimeoutMinutes,
    ...phaseOf(row),
  };
}

/** What a workspace waits for is read from this. */
export function phaseOf(row: WorkspaceRow): PhaseFacts {
  return {
    state: row.state as WorkspaceState,
    stateChangedAt: row.stateChangedAt,
    hasTokens: row._count.machineTokens > 0,
    runnerHeardAt: row.runnerSeenAt,
    obstacle: row.obstacle,
  };
}
