import { Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { eventsStore, type WorkspaceEvent } from '../../events/index.js';
import { aboutOf, type ReplyAbout } from '../replies/content.js';
import { Replies } from '../replies/replies.service.js';
import { asksStore } from '../asks/asks.store.js';
import { followStore } from './follow.store.js';
import { repliesOf } from './telling.js';

/** So many events in one look. */
const PAGE = 200;

/** Says in conversations what their workspaces tell. It reads rows and wakes nothing. */
@Injectable()
export class Following {
  constructor(
    private readonly database: Database,
    private readonly chats: ChatsService,
    private readonly replies: Replies,
  ) {}

  /** Brings all conversations of a workspace up to its last event. */
  async follow(organizationId: string, workspaceId: string): Promise<void> {
    const ids = await this.database.tenant(organizationId, (tenant) =>
      followStore.ofWorkspace(tenant, workspaceId),
    );
    for (const id of ids) {
      // A page in each transaction: what is said and how far it goes are committed together.
      let more = true;
      while (more)
        more = await this.database.tenant(organizationId, (tenant) => this.page(tenant, id, workspaceId));
    }
  }

  /** False: there is nothing more for now. */
  private async page(tenant: Tenant, conversationId: string, workspaceId: string): Promise<boolean> {
    const follower = await followStore.lock(tenant, conversationId);
    if (follower?.workspaceId !== workspaceId || follower.state === 'closed') return false;
    const events = await eventsStore.list(tenant, workspaceId, follower.eventCursor, PAGE);
    if (events.length === 0) return false;
    const turns = await this.turns(tenant, conversationId, events);
    const answers = await this.chats.answers(tenant, workspaceId, [...turns.keys()]);
    const isPage = events.length === PAGE;
    const { told, upTo } = repliesOf(events, { url: follower.url, turns, answers, isPage });
    for (const reply of told) await this.replies.add(tenant, conversationId, reply);
    if (upTo > follower.eventCursor) await followStore.move(tenant, conversationId, upTo);
    return isPage;
  }

  /** The turns among these events that were asked for in this conversation. */
  private async turns(
    tenant: Tenant,
    conversationId: string,
    events: WorkspaceEvent[],
  ): Promise<Map<string, ReplyAbout>> {
    const ids = new Set(
      events.flatMap(({ data: { messageId } }) => (typeof messageId === 'string' ? [messageId] : [])),
    );
    const asks = ids.size === 0 ? [] : await asksStore.ofMessages(tenant, conversationId, [...ids]);
    return new Map(asks.map(({ key, messageId, decision }) => [messageId ?? '', aboutOf(decision, key)]));
  }
}
