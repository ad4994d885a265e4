import type { Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';
import type { ConversationPlace, ConversationState } from './conversation.js';

/** The only writer of conversations, but for the counters of their replies (src/triggers/replies). */
export const conversationsStore = {
  /** Nobody else decides what becomes of an ask there until the transaction ends. To be taken before any workspace is locked: the conversation's row is locked after it. */
  async hold({ db, organizationId }: Tenant, system: string, key: string): Promise<void> {
    const name = `conversation/${organizationId}/${system}/${key}`;
    await db.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
  },

  /** Makes it, or brings it up to date; `eventCursor`: its workspace's events up to there are known to everybody there. */
  async open(
    { db, organizationId }: Tenant,
    { system, key, url, subject }: ConversationPlace,
    {
      id,
      at,
      workspaceId,
      eventCursor,
    }: { id: string; at: Date; workspaceId?: string; eventCursor?: number },
  ) {
    const behind = workspaceId === undefined ? {} : { workspaceId, eventCursor: eventCursor ?? 0 };
    return db.conversation.upsert({
      where: { organizationId_system_key: { organizationId, system, key } },
      create: {
        ...{ id, organizationId, system, key, url, subject, ...behind },
        ...{ state: 'open', made: {}, createdAt: at, updatedAt: at },
      },
      update: { url, subject, ...behind, updatedAt: at },
    });
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.conversation.findFirst({ where: { organizationId, id } });
  },

  findByKey({ db, organizationId }: Tenant, system: string, key: string) {
    return db.conversation.findUnique({
      where: { organizationId_system_key: { organizationId, system, key } },
    });
  },

  /** What the latest ask said of it, and the workspace that is behind it from now on: what a new one tells is told there from its first event on. Opens what was closed, or paused for long enough. */
  async touch(
    { db, organizationId }: Tenant,
    { id, workspaceId: before, state }: { id: string; workspaceId: string | null; state: string },
    { url, subject }: Pick<ConversationPlace, 'url' | 'subject'>,
    { workspaceId, outcome, at }: { workspaceId: string | null; outcome: string; at: Date },
  ): Promise<void> {
    const isOther = workspaceId !== null && workspaceId !== before;
    const opens = state !== 'open' && outcome !== 'stopped-by-breaker';
    await db.conversation.update({
      where: { organizationId_id: { organizationId, id } },
      data: {
        ...{ url, subject, updatedAt: at },
        ...(isOther ? { workspaceId, eventCursor: 0 } : {}),
        ...(opens ? { state: 'open', stateReason: null } : {}),
      },
      select: { id: true },
    });
  },

  /** Paused from now on, or resumed: what was asked before is not counted again. False: it is so already. */
  async move(
    { db, organizationId }: Tenant,
    id: string,
    state: ConversationState,
    reason: string | null,
    at: Date,
  ): Promise<boolean> {
    const { count } = await db.conversation.updateMany({
      where: { organizationId, id, state: { not: state } },
      data: { state, stateReason: reason, countedFrom: at, updatedAt: at },
    });
    return count === 1;
  },

  async moveAll(
    { db, organizationId }: Tenant,
    system: string,
    { from, to }: { from: ConversationState[]; to: ConversationState },
    reason: string | null,
    at: Date,
  ): Promise<void> {
    await db.conversation.updateMany({
      where: { organizationId, system, state: { in: from } },
      data: { state: to, stateReason: reason, updatedAt: at },
    });
  },

  async keysAbout(
    { db, organizationId }: Tenant,
    system: string,
    field: string,
    value: string,
  ): Promise<string[]> {
    const rows = await db.conversation.findMany({
      where: { organizationId, system, state: { not: 'closed' }, subject: { path: [field], equals: value } },
      select: { key: true },
    });
    return rows.map(({ key }) => key);
  },

  /** Newest first. */
  list({ db, organizationId }: Tenant, { after, take }: Slice) {
    return db.conversation.findMany({
      where: { organizationId, ...(after ? { id: { lt: after } } : {}) },
      orderBy: { id: 'desc' },
      take,
    });
  },
};

export type ConversationRow = Awaited<ReturnType<typeof conversationsStore.open>>;
