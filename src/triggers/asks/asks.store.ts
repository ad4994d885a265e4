import type { JsonObject, Tenant } from '../../database/index.js';
import type { Ask } from './ask.js';
import type { AskCounts } from './breaker.js';
import type { AskState } from './decision.js';

/** What an ask is known by. */
export type AskName = Pick<Ask, 'system' | 'key' | 'deliveryRowId' | 'asker'>;

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
    const { system, key, deliveryRowId, asker } = ask;
    const { id, at, ...became } = entry;
    await db.ask.upsert({
      where: { organizationId_system_key: { organizationId, system, key } },
      create: {
        ...{ id, organizationId, system, key, deliveryId: deliveryRowId, ...became },
        ...{ askerId: asker?.externalId ?? null, askerHandle: asker?.handle ?? null },
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

  /** What waited will not be done. */
  async giveUp(
    { db, organizationId }: Tenant,
    conversationId: string,
    outcome: string,
    at: Date,
  ): Promise<number> {
    const { count } = await db.ask.updateMany({
      where: { organizationId, conversationId, state: 'waiting' },
      data: { state: 'refused', outcome, updatedAt: at },
    });
    return count;
  },

  async counts(
    { db, organizationId }: Tenant,
    { conversationId, cause, since }: { conversationId: string; cause: string; since: Date },
  ): Promise<AskCounts> {
    const [row] = await db.$queryRaw<AskCounts[]>`
      select count(*) filter (where conversation_id = ${conversationId}::uuid)::int as "inConversation",
             count(*) filter (where asker_id is null and decision->>'cause' = ${cause})::int as "ofNobody",
             count(*) filter (where asker_id is null)::int as "ofNobodyInAll"
        from ask
       where organization_id = ${organizationId}::uuid and created_at > ${since}
         and (conversation_id = ${conversationId}::uuid or asker_id is null)`;
    return row ?? { inConversation: 0, ofNobody: 0, ofNobodyInAll: 0 };
  },
};
