import type { Conversation } from '../../database/generated/client.js';
import type { JsonObject, Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';
import type { Closing, ConversationPlace, ConversationState, Meant } from './conversation.js';

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

  /** As it stands; one that is there is not written, since others lock it after a workspace. */
  async findOrOpen(
    tenant: Tenant,
    place: ConversationPlace,
    made: { id: string; at: Date },
  ): Promise<Conversation> {
    const found = await conversationsStore.findByKey(tenant, place.system, place.key);
    return found ?? conversationsStore.open(tenant, place, made);
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.conversation.findFirst({ where: { organizationId, id } });
  },

  findByKey({ db, organizationId }: Tenant, system: string, key: string) {
    return db.conversation.findUnique({
      where: { organizationId_system_key: { organizationId, system, key } },
    });
  },

  /** What the latest ask said of it, and the workspace that is behind it from now on: what a new one tells is told there from its first event on. Opens what was closed, or paused for long enough. True: it was closed, and is to be settled. */
  async touch(
    { db, organizationId }: Tenant,
    { id, workspaceId: before, state }: { id: string; workspaceId: string | null; state: string },
    { url, subject }: Pick<ConversationPlace, 'url' | 'subject'>,
    { workspaceId, outcome, at }: { workspaceId: string | null; outcome: string; at: Date },
  ): Promise<boolean> {
    const isOther = workspaceId !== null && workspaceId !== before;
    const opens = state !== 'open' && outcome !== 'stopped-by-breaker' && outcome !== 'stopped';
    const isBack = opens && state === 'closed';
    await db.conversation.update({
      where: { organizationId_id: { organizationId, id } },
      data: {
        ...{ url, subject, updatedAt: at },
        ...(isOther ? { workspaceId, eventCursor: 0 } : {}),
        ...(opens ? { state: 'open', stateReason: null } : {}),
        ...(isBack ? { isOver: false, isSettled: false } : {}),
      },
      select: { id: true },
    });
    return isBack;
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

  /** Closes those that are meant; what is closed already gets the reason if it is another. Each is to be settled after it. Answers how many. */
  closeAll(
    { db, organizationId }: Tenant,
    system: string,
    { field, values, but = { field, values: [] } }: Meant,
    { reason, isOver }: Closing,
    at: Date,
  ): Promise<number> {
    return db.$executeRaw`
      update conversation
         set state = 'closed', state_reason = ${reason}, is_over = ${isOver}, is_settled = false, updated_at = ${at}
       where organization_id = ${organizationId}::uuid and system = ${system}
         and subject->>${field} = any (${values}) and not coalesce(subject->>${but.field} = any (${but.values}), false)
         and (state <> 'closed' or is_over <> ${isOver} or state_reason is distinct from ${reason})`;
  },

  /** Opens those that are meant and closed, and writes into their subjects how they are reached now. Each is to be settled after it. Answers how many. */
  openAll(
    { db, organizationId }: Tenant,
    system: string,
    { field, values }: Omit<Meant, 'but'>,
    reached: JsonObject,
    at: Date,
  ): Promise<number> {
    return db.$executeRaw`
      update conversation
         set state = 'open', state_reason = null, is_over = false, is_settled = false, updated_at = ${at},
             subject = subject || ${JSON.stringify(reached)}::jsonb
       where organization_id = ${organizationId}::uuid and system = ${system} and state = 'closed'
         and subject->>${field} = any (${values})`;
  },

  /** Those that are to be settled, in pages by id. */
  unsettled({ db, organizationId }: Tenant, after: string | null, take: number) {
    return db.conversation.findMany({
      where: { organizationId, isSettled: false, ...(after ? { id: { gt: after } } : {}) },
      select: { id: true, system: true, key: true },
      orderBy: { id: 'asc' },
      take,
    });
  },

  /** As it was when it was looked at: one that was closed or opened since is to be settled once more. */
  async settled({ db, organizationId }: Tenant, seen: Conversation): Promise<void> {
    const { id, state, stateReason, isOver } = seen;
    await db.conversation.updateMany({
      where: { organizationId, id, state, stateReason, isOver },
      data: { isSettled: true },
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

export type ConversationRow = Conversation;
