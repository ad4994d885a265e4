import type { JsonObject, Tenant } from '../../database/index.js';
import type { Budget } from './budget.js';
import { endTypes, type ReplyContent, type StoredReply } from './content.js';
import type { WaitingReply } from './order.js';

/** So many of what waits in a conversation are looked at together. */
const PAGE = 500;

/** A conversation, as far as one needs to know to say something in it. */
export interface Place {
  id: string;
  system: string;
  key: string;
  url: string;
  subject: unknown;
  made: Record<string, unknown>;
  state: string;
  stateReason: string | null;
  /** Since when, where it is paused. */
  pausedAt: Date;
  isOver: boolean;
}

/** A reply as it is said. */
export interface StoredRow {
  id: string;
  externalKey: string;
  content: unknown;
  createdAt: Date;
}

/** The last word in a conversation: when it was said or, where it was not yet, added. */
export interface LastWord {
  id: string;
  at: Date;
}

/** How a try at a reply ended. */
export interface Ending {
  state: 'sent' | 'failed' | 'dropped';
  externalId?: string;
  /** For people. */
  error: string | null;
  at: Date;
}

/** The only writer of replies, of their budgets, and in the row of their conversation of their numbers and of what was made there. */
export const repliesStore = {
  /**
   * Adds a reply with the next number of its conversation, to be said at once. False: its cause added one before (its number stays unused). The conversation's row is locked by it, so that numbers are given one after
   * another. Throws when there is no such conversation.
   */
  async add(
    { db, organizationId }: Tenant,
    conversationId: string,
    { id, key, stored, at }: { id: string; key: string; stored: StoredReply; at: Date },
  ): Promise<boolean> {
    const [found] = await db.$queryRaw<{ places: number; added: number }[]>`
      with place as (
        update conversation set last_reply_seq = last_reply_seq + 1
         where organization_id = ${organizationId}::uuid and id = ${conversationId}::uuid
        returning organization_id, id, last_reply_seq
      ), added as (
        insert into reply (id, organization_id, conversation_id, seq, key, content, state, next_at, created_at)
        select ${id}::uuid, organization_id, id, last_reply_seq, ${key}, ${JSON.stringify(stored)}::jsonb, 'waiting', ${at}, ${at} from place
        on conflict (conversation_id, key) do nothing returning id)
      select (select count(*)::int from place) as places, (select count(*)::int from added) as added`;
    if (!found || found.places === 0) throw new Error('There is no such conversation.');
    return found.added > 0;
  },

  /** The conversation, held until the transaction ends: whose turn it is there, one decides at a time. Null: it is gone. */
  async lock({ db, organizationId }: Tenant, conversationId: string): Promise<Place | null> {
    const rows = await db.$queryRaw<Place[]>`
      select id, system, key, url, subject, made, state, state_reason as "stateReason", coalesce(counted_from, updated_at) as "pausedAt",
             is_over as "isOver"
        from conversation
       where organization_id = ${organizationId}::uuid and id = ${conversationId}::uuid for update`;
    return rows[0] ?? null;
  },

  /**
   * What waits there, in its order: signs of life and the first of the rest. A sign of life is overtaken by an end of the same ask from its first try on: where that fails it is tried for a day, and comes after
   * whatever is said meanwhile.
   */
  async waiting({ db, organizationId }: Tenant, conversationId: string): Promise<WaitingReply[]> {
    return db.$queryRaw<WaitingReply[]>`
      select id, content->'content'->>'type' as type, attempts, coalesce(next_at, created_at) as "nextAt", created_at as "createdAt",
             case when content->'content'->>'type' = ${'seen' satisfies ReplyContent['type']} then exists (
               select 1 from reply e
                where e.organization_id = reply.organization_id and e.conversation_id = reply.conversation_id
                  and e.content->'about'->>'askKey' = reply.content->'about'->>'askKey'
                  and e.content->'content'->>'type' = any(${endTypes}) and e.attempts > 0) else false end as "isOvertaken"
        from reply
       where organization_id = ${organizationId}::uuid and conversation_id = ${conversationId}::uuid and state = 'waiting'
       order by (content->'content'->>'type' = ${'seen' satisfies ReplyContent['type']}) desc, seq limit ${PAGE}`;
  },

  /** What was said there last, or is to be. What made no word there is not meant: a plan, a link to a pull request. Null: nothing. */
  async lastWord({ db, organizationId }: Tenant, conversationId: string): Promise<LastWord | null> {
    const row = await db.reply.findFirst({
      where: {
        ...{ organizationId, conversationId },
        OR: [{ state: { not: 'sent' } }, { externalId: { not: null } }],
      },
      orderBy: { seq: 'desc' },
      select: { id: true, sentAt: true, createdAt: true },
    });
    return row && { id: row.id, at: row.sentAt ?? row.createdAt };
  },

  /** The tool that was told of last for an ask, as its reply says. Null: none was. */
  async lastTool({ db, organizationId }: Tenant, conversationId: string, askKey: string): Promise<unknown> {
    const rows = await db.$queryRaw<{ tool: unknown }[]>`
      select content->'content'->'tool' as tool from reply
       where organization_id = ${organizationId}::uuid and conversation_id = ${conversationId}::uuid
         and content->'content'->'tool' is not null and content->'about'->>'askKey' = ${askKey}
       order by seq desc limit 1`;
    return rows[0]?.tool ?? null;
  },

  /** Begins a try. Nobody else does before `until`; the number of tries is what this one is known by. Null: it does not wait any more. */
  async claim(
    { db, organizationId }: Tenant,
    { id, attempts }: Pick<WaitingReply, 'id' | 'attempts'>,
    until: Date,
  ): Promise<StoredRow | null> {
    const [row] = await db.reply.updateManyAndReturn({
      where: { organizationId, id, attempts, state: 'waiting' },
      // Why it was put off is over with that.
      data: { attempts: { increment: 1 }, nextAt: until, error: null },
      select: { id: true, externalKey: true, content: true, createdAt: true },
    });
    return row ?? null;
  },

  /** Whoever is on it lives, or pauses until then. False: the try is not theirs any more. */
  async hold(
    { db, organizationId }: Tenant,
    { id, attempts }: Pick<WaitingReply, 'id' | 'attempts'>,
    until: Date,
    error?: string,
  ): Promise<boolean> {
    const { count } = await db.reply.updateMany({
      where: { organizationId, id, attempts, state: 'waiting' },
      data: { nextAt: until, ...(error === undefined ? {} : { error }) },
    });
    return count > 0;
  },

  /** How the try ended. False: it is not theirs any more, and another says how. */
  async end(
    { db, organizationId }: Tenant,
    { id, attempts }: Pick<WaitingReply, 'id' | 'attempts'>,
    { state, externalId, error, at }: Ending,
  ): Promise<boolean> {
    const { count } = await db.reply.updateMany({
      where: { organizationId, id, attempts, state: 'waiting' },
      data: {
        state,
        error,
        externalId: externalId ?? null,
        nextAt: null,
        ...(state === 'sent' ? { sentAt: at } : {}),
      },
    });
    return count > 0;
  },

  /** Ends what is not said any more; answers how many. */
  async giveUp(
    { db, organizationId }: Tenant,
    ids: string[],
    { state, error }: Omit<Ending, 'at' | 'externalId'>,
  ): Promise<number> {
    if (ids.length === 0) return 0;
    const { count } = await db.reply.updateMany({
      where: { organizationId, id: { in: ids }, state: 'waiting' },
      data: { state, error, nextAt: null },
    });
    return count;
  },

  /** Nothing is to be said there before, so that nobody looks in vain; signs of life are not meant. */
  async putOff({ db, organizationId }: Tenant, conversationId: string, until: Date): Promise<void> {
    await db.$executeRaw`
      update reply set next_at = ${until}
       where organization_id = ${organizationId}::uuid and conversation_id = ${conversationId}::uuid and state = 'waiting'
         and next_at < ${until} and content->'content'->>'type' <> ${'seen' satisfies ReplyContent['type']}`;
  },

  /** What was put off behind another is due, now that this one is said. */
  async hasten({ db, organizationId }: Tenant, conversationId: string, now: Date): Promise<void> {
    await db.reply.updateMany({
      where: { organizationId, conversationId, state: 'waiting', attempts: 0, nextAt: { gt: now } },
      data: { nextAt: now },
    });
  },

  /** The system is back: whatever was put off is due. A try that is under way, which gives no reason to wait, is let be. */
  async resume({ db, organizationId }: Tenant, conversationId: string, now: Date): Promise<void> {
    await db.reply.updateMany({
      where: {
        ...{ organizationId, conversationId, state: 'waiting', nextAt: { gt: now } },
        OR: [{ attempts: 0 }, { error: { not: null } }],
      },
      data: { nextAt: now },
    });
  },

  /** Keeps what an integration made in a conversation, beside what it made before. */
  async keepMade({ db, organizationId }: Tenant, conversationId: string, made: JsonObject): Promise<void> {
    await db.$executeRaw`
      update conversation set made = made || ${JSON.stringify(made)}::jsonb
       where organization_id = ${organizationId}::uuid and id = ${conversationId}::uuid`;
  },

  /** A budget, held until the transaction ends. */
  async lockBudget({ db, organizationId }: Tenant, key: string): Promise<Budget> {
    const rows = await db.$queryRaw<Budget[]>`
      insert into reply_budget (organization_id, key, taken) values (${organizationId}::uuid, ${key}, '[]')
      on conflict (organization_id, key) do update set key = excluded.key
      returning taken, blocked_until as "blockedUntil", queued_until as "queuedUntil"`;
    return rows[0] ?? { taken: [], blockedUntil: null, queuedUntil: null };
  },

  async keepBudget({ db, organizationId }: Tenant, key: string, budget: Budget): Promise<void> {
    const { taken, blockedUntil, queuedUntil } = budget;
    await db.$executeRaw`
      update reply_budget set taken = ${JSON.stringify(taken)}::jsonb, blocked_until = ${blockedUntil}, queued_until = ${queuedUntil}
       where organization_id = ${organizationId}::uuid and key = ${key}`;
  },
};
