import type { Kind, Scope, TurnState } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { Prisma } from '../database/generated/client.js';
import { eventsStore } from '../events/index.js';
import type { Slice } from '../http/index.js';
import { BerthError, type Cause } from '../kernel/index.js';
import { legalMoves, openStates, type TurnError } from './turn.js';

export interface NewReceipt {
  credentialId: string;
  generation: number;
  scope: Scope;
  kind: Kind;
  reason: string;
  at: Date;
}

/** What may be written of a turn besides its state. */
export interface TurnChange extends Partial<Claim> {
  error?: TurnError;
}

/** A new attempt at a turn. */
export interface Claim {
  attemptId: string;
  runnerId: string;
  attempts: number;
}

/** Of a turn that somebody works on. */
export const under: readonly TurnState[] = ['running', 'reauthenticating'];

/** The only writer of messages, turns and receipts. */
export const chatsStore = {
  /** A message with the next number of its workspace, taken from the row so that numbers are as ordered as commits. */
  async addMessage(
    { db, organizationId }: Tenant,
    message: {
      id: string;
      workspaceId: string;
      author: { type: 'user' | 'agent'; id: string | null; name: string };
      text: string;
      turnId: string | null;
      at: Date;
    },
  ) {
    const { lastMessageSeq: seq } = await db.workspace.update({
      where: { organizationId_id: { organizationId, id: message.workspaceId } },
      data: { lastMessageSeq: { increment: 1 } },
      select: { lastMessageSeq: true },
    });
    return db.message.create({
      data: {
        id: message.id,
        organizationId,
        workspaceId: message.workspaceId,
        seq,
        authorType: message.author.type,
        authorId: message.author.id,
        authorName: message.author.name,
        text: message.text,
        turnId: message.turnId,
        createdAt: message.at,
      },
    });
  },

  /** The turn of a person's message; same id, same number. */
  async addTurn(
    tenant: Tenant,
    message: { id: string; workspaceId: string; seq: number },
    at: Date,
    cause: Cause,
  ): Promise<void> {
    const { db, organizationId } = tenant;
    await db.turn.create({
      data: {
        id: message.id,
        organizationId,
        workspaceId: message.workspaceId,
        seq: message.seq,
        state: 'queued',
        requestId: cause.requestId,
        traceParent: cause.traceParent,
        createdAt: at,
      },
    });
    tenant.metrics.count('berth_messages_accepted_total', {});
    await announce(
      tenant,
      message.workspaceId,
      { id: message.id, seq: message.seq, state: 'queued', attempts: 0 },
      at,
    );
  },

  /** Ascending; the page's cursor is the message's id, and ids of one workspace ascend with their numbers. */
  async listMessages({ db, organizationId }: Tenant, workspaceId: string, { after, take }: Slice) {
    const last = after
      ? await db.message.findFirst({
          where: { organizationId, workspaceId, id: after },
          select: { seq: true },
        })
      : null;
    return db.message.findMany({
      where: { organizationId, workspaceId, ...(after ? { seq: { gt: last?.seq ?? 0 } } : {}) },
      orderBy: { seq: 'asc' },
      take,
    });
  },

  findMessage({ db, organizationId }: Tenant, workspaceId: string, id: string) {
    return db.message.findFirst({ where: { organizationId, workspaceId, id } });
  },

  turns({ db, organizationId }: Tenant, ids: string[]) {
    return db.turn.findMany({
      where: { organizationId, id: { in: ids } },
      include: { receipts: { orderBy: { at: 'asc' } } },
    });
  },

  findTurn({ db, organizationId }: Tenant, workspaceId: string, id: string) {
    return db.turn.findFirst({
      where: { organizationId, workspaceId, id },
      include: { _count: { select: { receipts: true } } },
    });
  },

  /** The turn under way, if any. */
  currentTurn({ db, organizationId }: Tenant, workspaceId: string) {
    return db.turn.findFirst({ where: { organizationId, workspaceId, state: { in: [...under] } } });
  },

  nextQueuedTurn({ db, organizationId }: Tenant, workspaceId: string) {
    return db.turn.findFirst({
      where: { organizationId, workspaceId, state: 'queued' },
      orderBy: { seq: 'asc' },
    });
  },

  /** What one person has asked for and is not over, in all workspaces, in the order in which these are to be locked. */
  async openTurnsOf(
    { db, organizationId }: Tenant,
    authorId: string,
  ): Promise<{ id: string; workspaceId: string }[]> {
    return db.$queryRaw`
      select t.id, t.workspace_id as "workspaceId" from turn t join message m on m.organization_id = t.organization_id and m.id = t.id
       where t.organization_id = ${organizationId}::uuid and m.author_id = ${authorId}::uuid and t.state = any (${[...openStates]})
       order by t.workspace_id, t.seq`;
  },

  /** What is under way or waits in a workspace. */
  openTurnsIn({ db, organizationId }: Tenant, workspaceId: string) {
    return db.turn.findMany({
      where: { organizationId, workspaceId, state: { in: [...openStates] } },
      orderBy: { seq: 'asc' },
      include: { _count: { select: { receipts: true } } },
    });
  },

  /** What others than one person have asked for in a workspace and is not over. */
  async openTurnsOfOthers(
    { db, organizationId }: Tenant,
    workspaceId: string,
    authorId: string,
  ): Promise<{ id: string }[]> {
    return db.$queryRaw`
      select t.id from turn t join message m on m.organization_id = t.organization_id and m.id = t.id
       where t.organization_id = ${organizationId}::uuid and t.workspace_id = ${workspaceId}::uuid
         and m.author_id is distinct from ${authorId}::uuid and t.state = any (${[...openStates]})
       order by t.seq`;
  },

  /** Turns under way whose cancel was asked for. */
  turnsToCancel({ db, organizationId }: Tenant, workspaceId: string) {
    return db.turn.findMany({
      where: { organizationId, workspaceId, state: { in: [...under] }, cancelRequestedAt: { not: null } },
      select: { id: true },
    });
  },

  async requestCancel({ db, organizationId }: Tenant, id: string, at: Date): Promise<void> {
    await db.turn.updateMany({
      where: { organizationId, id, cancelRequestedAt: null },
      data: { cancelRequestedAt: at },
    });
  },

  /** The one writer of turn states: moves it if it is still where the caller saw it, and tells it as an event. False: somebody else was first. */
  async move(
    tenant: Tenant,
    turn: {
      id: string;
      workspaceId: string;
      seq: number;
      state: string;
      attempts: number;
      startedAt: Date | null;
    },
    to: TurnState,
    at: Date,
    change: TurnChange = {},
  ): Promise<boolean> {
    const from = turn.state as TurnState;
    if (!legalMoves[from].includes(to))
      throw new BerthError('internal', `A turn cannot go from ${from} to ${to}.`);
    const { db, organizationId } = tenant;
    const { count } = await db.turn.updateMany({
      where: { organizationId, id: turn.id, state: from },
      data: {
        state: to,
        ...(change.error ? { ...change, error: { ...change.error } } : { ...change, error: undefined }),
        ...(to === 'running' && !turn.startedAt ? { startedAt: at } : {}),
        ...(openStates.includes(to) ? {} : { finishedAt: at, runnerId: null }),
      },
    });
    if (count === 0) return false;
    if (!openStates.includes(to)) {
      const seconds = turn.startedAt ? (at.getTime() - turn.startedAt.getTime()) / 1000 : 0;
      tenant.metrics.observe('berth_turn_duration_seconds', { outcome: to }, seconds);
    }
    await announce(
      tenant,
      turn.workspaceId,
      { ...turn, state: to, attempts: change.attempts ?? turn.attempts },
      at,
      change.error,
    );
    return true;
  },

  /**
   * One more attempt at a turn that is under way; its state stays as it is. After a refused login that is told as an event, since people count the attempts. `unknown`:
   * the attempt before was left by a runner that is gone, and nobody knows what its agent had begun.
   */
  async claimAgain(
    tenant: Tenant,
    turn: { id: string; workspaceId: string; seq: number; state: string },
    claim: Claim,
    unknown: boolean,
    at: Date,
  ): Promise<void> {
    const { db, organizationId } = tenant;
    await db.turn.updateMany({
      where: { organizationId, id: turn.id, state: { in: [...under] } },
      data: { ...claim, retryAt: null, refused: [], ...(unknown ? { toolsBegan: true } : {}) },
    });
    if (turn.state === 'reauthenticating')
      await announce(tenant, turn.workspaceId, { ...turn, attempts: claim.attempts }, at);
  },

  /** From now on nothing of this turn is asked again. */
  async toolBegan({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.turn.updateMany({
      where: { organizationId, id, toolsBegan: false },
      data: { toolsBegan: true },
    });
  },

  async addRefused({ db, organizationId }: Tenant, id: string, login: string): Promise<void> {
    await db.turn.updateMany({ where: { organizationId, id }, data: { refused: { push: login } } });
  },

  async setHalt({ db, organizationId }: Tenant, id: string, halt: TurnError | null): Promise<void> {
    await db.turn.updateMany({
      where: { organizationId, id },
      data: { halt: halt ? { ...halt } : Prisma.DbNull },
    });
  },

  /** The attempt is over, and nobody works on the turn until it is time for the next. */
  async waitForRetry(
    { db, organizationId }: Tenant,
    id: string,
    wait: { refusedAttempts: number; retryAt: Date },
  ): Promise<void> {
    await db.turn.updateMany({ where: { organizationId, id }, data: { ...wait, runnerId: null } });
  },

  /** The turn that was begun last before this one, if any. */
  turnBefore({ db, organizationId }: Tenant, workspaceId: string, seq: number) {
    return db.turn.findFirst({
      where: { organizationId, workspaceId, seq: { lt: seq }, startedAt: { not: null } },
      orderBy: { seq: 'desc' },
      select: { error: true, toolsBegan: true, retryAt: true },
    });
  },

  /** Whether the model answered in this turn. */
  async answered({ db, organizationId }: Tenant, turnId: string): Promise<boolean> {
    return (
      (await db.receipt.findFirst({ where: { organizationId, turnId }, select: { turnId: true } })) !== null
    );
  },

  /** Whether the model answered in any turn before this one. */
  async answeredBefore({ db, organizationId }: Tenant, workspaceId: string, seq: number): Promise<boolean> {
    const found = await db.turn.findFirst({
      where: { organizationId, workspaceId, seq: { lt: seq }, receipts: { some: {} } },
      select: { id: true },
    });
    return found !== null;
  },

  /** Whether a later generation of this credential has served the workspace already. */
  async servedLater(
    { db, organizationId }: Tenant,
    workspaceId: string,
    { credentialId, generation }: { credentialId: string; generation: number },
  ): Promise<boolean> {
    const found = await db.receipt.findFirst({
      where: { organizationId, turn: { workspaceId }, credentialId, generation: { gt: generation } },
      select: { turnId: true },
    });
    return found !== null;
  },

  /** One receipt per credential and generation of a turn, however often it is reported. */
  async addReceipt({ db, organizationId }: Tenant, turnId: string, receipt: NewReceipt): Promise<void> {
    await db.receipt.createMany({ data: [{ ...receipt, turnId, organizationId }], skipDuplicates: true });
  },

  /** The agent's answer of a turn, if it was stored already: a second runner of a continued turn may say it again. */
  answerOf({ db, organizationId }: Tenant, workspaceId: string, turnId: string) {
    return db.message.findFirst({ where: { organizationId, workspaceId, turnId }, select: { id: true } });
  },

  /** The agent's answers of these turns, as far as they are stored. */
  answers({ db, organizationId }: Tenant, workspaceId: string, turnIds: string[]) {
    return db.message.findMany({
      where: { organizationId, workspaceId, turnId: { in: turnIds }, authorType: 'agent' },
      select: { turnId: true, text: true },
    });
  },

  /** How far a runner's reports are stored. */
  async acknowledged({ db, organizationId }: Tenant, workspaceId: string, runnerId: string): Promise<number> {
    const row = await db.runnerCursor.findFirst({
      where: { organizationId, workspaceId, runnerId },
      select: { acknowledged: true },
    });
    return row?.acknowledged ?? 0;
  },

  async acknowledge(
    { db, organizationId }: Tenant,
    workspaceId: string,
    runnerId: string,
    acknowledged: number,
  ): Promise<void> {
    await db.runnerCursor.upsert({
      where: { workspaceId_runnerId: { workspaceId, runnerId } },
      create: { organizationId, workspaceId, runnerId, acknowledged },
      update: { acknowledged },
    });
  },
};

async function announce(
  tenant: Tenant,
  workspaceId: string,
  turn: { id: string; seq: number; state: string; attempts: number },
  at: Date,
  error?: TurnError,
): Promise<void> {
  const data = {
    messageId: turn.id,
    seq: turn.seq,
    state: turn.state,
    attempts: turn.attempts,
    ...(error ? { error } : {}),
  };
  await eventsStore.append(tenant, workspaceId, [{ type: 'message.state', at, data }]);
}

export type MessageRow = Awaited<ReturnType<typeof chatsStore.addMessage>>;
export type TurnAtWork = NonNullable<Awaited<ReturnType<typeof chatsStore.currentTurn>>>;
export type TurnRow = Awaited<ReturnType<typeof chatsStore.turns>>[number];
