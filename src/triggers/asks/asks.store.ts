import type { JsonObject, Tenant } from '../../database/index.js';
import { endTypes, type ReplyContent } from '../replies/content.js';
import type { Ask } from './ask.js';
import type { AskedBefore } from './at-once.js';
import type { AskCounts } from './breaker.js';
import type { AskState } from './decision.js';

/** What an ask is known by. */
export type AskName = Pick<Ask, 'system' | 'key' | 'deliveryRowId' | 'asker' | 'writtenAt'>;

/** What is written of an ask. */
export interface AskEntry {
  id: string;
  conversationId: string;
  userId: string | null;
  state: AskState;
  outcome: string;
  decision: JsonObject;
  messageId: string | null;
  at: Date;
}

/** The only writer of asks. */
export const asksStore = {
  find({ db, organizationId }: Tenant, system: string, key: string) {
    return db.ask.findUnique({ where: { organizationId_system_key: { organizationId, system, key } } });
  },

  /** What was asked, and what became of it: once by its key. */
  async write({ db, organizationId }: Tenant, ask: AskName, entry: AskEntry): Promise<void> {
    const { system, key, deliveryRowId, asker, writtenAt } = ask;
    const { id, at, ...became } = entry;
    await db.ask.upsert({
      where: { organizationId_system_key: { organizationId, system, key } },
      create: {
        ...{ id, organizationId, system, key, deliveryId: deliveryRowId, ...became },
        ...{ askerId: asker?.externalId ?? null, askerHandle: asker?.handle ?? null },
        ...{ askedAt: writtenAt ?? null },
        ...{ createdAt: at, updatedAt: at },
      },
      update: { ...became, updatedAt: at },
      select: { id: true },
    });
  },

  /** Those of a person who is not connected yet, the newest of them. */
  waitingFor({ db, organizationId }: Tenant, system: string, askerId: string, take: number) {
    return db.ask.findMany({
      where: { organizationId, system, askerId, state: 'waiting', outcome: 'awaiting-link' },
      orderBy: { id: 'desc' },
      take,
      select: { id: true, deliveryId: true },
    });
  },

  /** Which of these messages were asked for in a conversation. */
  async withMessages(
    { db, organizationId }: Tenant,
    conversationId: string,
    messageIds: string[],
  ): Promise<string[]> {
    const rows = await db.ask.findMany({
      where: { organizationId, conversationId, messageId: { in: messageIds } },
      orderBy: { id: 'asc' },
      select: { messageId: true },
    });
    return rows.flatMap(({ messageId }) => messageId ?? []);
  },

  /** What was asked in a conversation by these messages. */
  ofMessages({ db, organizationId }: Tenant, conversationId: string, messageIds: string[]) {
    return db.ask.findMany({
      where: { organizationId, conversationId, messageId: { in: messageIds } },
      orderBy: { id: 'asc' },
      select: { key: true, messageId: true, decision: true },
    });
  },

  /** Which of these messages were asked for in a conversation after that moment, as its system tells the time. */
  async writtenAfter(
    { db, organizationId }: Tenant,
    conversationId: string,
    messageIds: string[],
    moment: Date,
  ): Promise<string[]> {
    const rows = await db.ask.findMany({
      where: { organizationId, conversationId, messageId: { in: messageIds }, askedAt: { gt: moment } },
      select: { messageId: true },
    });
    return rows.flatMap(({ messageId }) => messageId ?? []);
  },

  /** What was asked for in a conversation and waits for somebody to say where it is to be done, the first first. */
  async unplaced(
    { db, organizationId }: Tenant,
    conversationId: string,
  ): Promise<{ id: string; text: string }[]> {
    const rows = await db.ask.findMany({
      where: { organizationId, conversationId, state: 'waiting', outcome: 'repository-asked' },
      orderBy: { id: 'asc' },
      select: { id: true, decision: true },
    });
    return rows.map(({ id, decision }) => ({
      id,
      text: (decision as { question?: { text?: string } }).question?.text ?? '',
    }));
  },

  /** It is known where by now: what waited became a part of this message. */
  async placed(
    { db, organizationId }: Tenant,
    ids: string[],
    messageId: string | null,
    at: Date,
  ): Promise<void> {
    await db.ask.updateMany({
      where: { organizationId, id: { in: ids } },
      data: { state: 'taken', outcome: 'started', messageId, updatedAt: at },
    });
  },

  /** What waited will not be done: all of it, or what was written up to a moment. */
  async giveUp(
    { db, organizationId }: Tenant,
    conversationId: string,
    outcome: string,
    at: Date,
    moment: Date | null = null,
  ): Promise<number> {
    const isMeant = moment ? { OR: [{ askedAt: null }, { askedAt: { lte: moment } }] } : {};
    const { count } = await db.ask.updateMany({
      where: { organizationId, conversationId, state: 'waiting', ...isMeant },
      data: { state: 'refused', outcome, updatedAt: at },
    });
    return count;
  },

  /** `since`: what was asked before is not counted any more. In a conversation members count alone: else strangers could have it paused for everybody. */
  async counts(
    { db, organizationId }: Tenant,
    { conversationId, cause, since }: { conversationId: string; cause: string; since: Windows },
  ): Promise<AskCounts> {
    const { usual, hour, day } = since;
    const [row] = await db.$queryRaw<AskCounts[]>`
      with counted as (
        select created_at, asker_id, decision->>'cause' as cause, conversation_id = ${conversationId}::uuid and user_id is not null as is_talk from ask
         where organization_id = ${organizationId}::uuid and created_at > ${day}
           and (conversation_id = ${conversationId}::uuid or asker_id is null))
      select count(*) filter (where is_talk and created_at > ${usual})::int as "inConversation",
             count(*) filter (where is_talk and created_at > ${hour})::int as "inHour",
             count(*) filter (where is_talk)::int as "inDay",
             count(*) filter (where asker_id is null and created_at > ${usual} and cause = ${cause})::int as "ofNobody",
             count(*) filter (where asker_id is null and created_at > ${usual})::int as "ofNobodyInAll"
        from counted`;
    return row ?? { inConversation: 0, inHour: 0, inDay: 0, ofNobody: 0, ofNobodyInAll: 0 };
  },

  /**
   * What was asked last in a conversation, or by the same person about the same thing elsewhere: at Linear each mention is a conversation of its own. Null: nothing.
   */
  async lastBefore(
    { db, organizationId }: Tenant,
    {
      conversationId,
      system,
      askerId,
      cause,
      since,
    }: { conversationId: string; system: string; askerId: string; cause: string; since: Date },
  ): Promise<AskedBefore | null> {
    const [row] = await db.$queryRaw<AskedBefore[]>`
      with before as (
        select key, conversation_id, asker_id, coalesce((decision->>'atOnce')::int, 0) as at_once from ask
         where organization_id = ${organizationId}::uuid and created_at > ${since}
           and (conversation_id = ${conversationId}::uuid
                or (system = ${system} and asker_id = ${askerId} and decision->>'cause' = ${cause}))
         order by id desc limit 1)
      select asker_id as "askerId", at_once as "atOnce",
             (select greatest(min(sent_at), max(sent_at) filter (where content->'content'->>'type' = any(${endTypes})))
                from reply r
               where r.organization_id = ${organizationId}::uuid and r.conversation_id = before.conversation_id and r.state = 'sent'
                 and r.content->'about'->>'askKey' = before.key
                 and r.content->'content'->>'type' <> ${'seen' satisfies ReplyContent['type']}) as "answeredAt"
        from before`;
    return row ?? null;
  },

  /** Whether this person, or nobody, was stopped for what they asked about this thing in another conversation, which nobody has resumed. */
  async isStopped(
    { db, organizationId }: Tenant,
    { system, askerId, cause, since }: { system: string; askerId: string | null; cause: string; since: Date },
  ): Promise<boolean> {
    const found = await db.ask.findFirst({
      where: {
        ...{ organizationId, system, askerId, state: 'refused', outcome: 'stopped-by-breaker' },
        ...{ createdAt: { gt: since }, decision: { path: ['cause'], equals: cause } },
        conversation: { state: 'paused' },
      },
      select: { id: true },
    });
    return found !== null;
  },
};

/** From when on asks count, by window. */
export interface Windows {
  usual: Date;
  hour: Date;
  day: Date;
}
