import type { PrismaClient } from './generated/client.js';

/** A conversation that somebody should look at, by its ids alone. */
export interface DueConversation {
  organizationId: string;
  conversationId: string;
}

/** One, and the workspace that it was not told everything of. */
export interface BehindConversation extends DueConversation {
  workspaceId: string;
}

const NIL_ID = '00000000-0000-0000-0000-000000000000';

/** Conversations of all organizations with something to do, as the rhythm of triggers finds them: whatever became of their jobs. */
export class ConversationsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Those with a reply whose time is there, the longest due first. In the words of the index reply_waiting. */
  withDueReplies(now: Date, limit: number): Promise<DueConversation[]> {
    return this.#client.$queryRaw<DueConversation[]>`
      select organization_id as "organizationId", conversation_id as "conversationId" from reply
       where state = 'waiting' and next_at <= ${now}
       group by organization_id, conversation_id order by min(next_at) limit ${limit}`;
  }

  /** Those that were not told of all that their workspace told, in pages by id. */
  behind(after: string | null, limit: number): Promise<BehindConversation[]> {
    return this.#client.$queryRaw<BehindConversation[]>`
      select c.organization_id as "organizationId", c.id as "conversationId", c.workspace_id as "workspaceId"
        from conversation c join workspace w on w.organization_id = c.organization_id and w.id = c.workspace_id
       where c.state <> 'closed' and c.event_cursor < w.last_event_seq and c.id > ${after ?? NIL_ID}::uuid
       order by c.id limit ${limit}`;
  }

  /** Those of a system in which nothing was said since then though their workspace is awake, in pages by id. Whether anything goes on there that was asked there, the rows of its turns say, which are not read here. */
  silent(system: string, since: Date, after: string | null, limit: number): Promise<BehindConversation[]> {
    return this.#client.$queryRaw<BehindConversation[]>`
      select c.organization_id as "organizationId", c.id as "conversationId", c.workspace_id as "workspaceId"
        from conversation c join workspace w on w.organization_id = c.organization_id and w.id = c.workspace_id
             cross join lateral (select sent_at from reply where conversation_id = c.id and external_id is not null
                                  order by seq desc limit 1) as word
       where c.system = ${system} and c.state = 'open' and w.state in ('provisioning', 'waking', 'running')
         and word.sent_at <= ${since} and c.id > ${after ?? NIL_ID}::uuid
       order by c.id limit ${limit}`;
  }

  /** Whose conversations are closed, or open again, without their workspaces knowing. In the words of the index conversation_unsettled. */
  async withUnsettled(): Promise<string[]> {
    const rows = await this.#client.$queryRaw<{ organizationId: string }[]>`
      select distinct organization_id as "organizationId" from conversation where not is_settled`;
    return rows.map(({ organizationId }) => organizationId);
  }

  /** When the oldest reply was added that waits; null: none does. */
  async oldestWaitingReply(): Promise<Date | null> {
    const rows = await this.#client.$queryRaw<{ at: Date | null }[]>`
      select min(created_at) as at from reply where state = 'waiting'`;
    return rows[0]?.at ?? null;
  }
}
