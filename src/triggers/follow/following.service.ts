import { Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { eventsStore, type WorkspaceEvent } from '../../events/index.js';
import { World } from '../../kernel/index.js';
import { aboutOf, type ReplyAbout } from '../replies/content.js';
import { Replies } from '../replies/replies.service.js';
import { repliesStore } from '../replies/replies.store.js';
import { asksStore } from '../asks/asks.store.js';
import { followStore, type Follower } from './follow.store.js';
import { goingOn, isSilent } from './silence.js';
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
    private readonly world: World,
  ) {}

  /** Brings all conversations of a workspace up to its last event; where nothing was said for too long and something goes on, that is said. */
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
    const isPage = events.length === PAGE;
    const told =
      events.length > 0 &&
      (await this.tell(tenant, conversationId, follower, { workspaceId, events, isPage }));
    if (!told && !isPage) await this.breakSilence(tenant, conversationId, follower, workspaceId);
    return isPage;
  }

  /** False: there was nothing to say of these. */
  private async tell(
    tenant: Tenant,
    conversationId: string,
    follower: Follower,
    { workspaceId, events, isPage }: { workspaceId: string; events: WorkspaceEvent[]; isPage: boolean },
  ): Promise<boolean> {
    const turns = await this.turns(tenant, conversationId, events);
    const answers = await this.chats.answers(tenant, workspaceId, [...turns.keys()]);
    const { told, upTo } = repliesOf(events, { url: follower.url, turns, answers, isPage });
    for (const reply of told) await this.replies.add(tenant, conversationId, reply);
    if (upTo > follower.eventCursor) await followStore.move(tenant, conversationId, upTo);
    return told.length > 0;
  }

  /**
   * Says that what was asked here goes on. Under the lock of the conversation, and by the word after which it became silent: two looks at once say it once, and of a turn whose end was told here nothing is said, since
   * its row is over by then. One that ends meanwhile is told of behind this.
   */
  private async breakSilence(
    tenant: Tenant,
    conversationId: string,
    { system, state }: Follower,
    workspaceId: string,
  ): Promise<void> {
    const maxSilenceSeconds = this.replies.maxSilences.get(system);
    if (maxSilenceSeconds === undefined || state !== 'open') return;
    const word = await repliesStore.lastWord(tenant, conversationId);
    if (!word || !isSilent(word.at, maxSilenceSeconds, this.world.clock.now())) return;
    const open = await this.chats.openTurns(tenant, workspaceId);
    const asks = await asksStore.ofMessages(
      tenant,
      conversationId,
      open.map(({ id }) => id),
    );
    // The one under way before those that wait.
    const turn = open.find(({ id }) => asks.some(({ messageId }) => messageId === id));
    const ask = asks.find(({ messageId }) => messageId === turn?.id);
    if (!turn || !ask) return;
    const tool = await repliesStore.lastTool(tenant, conversationId, ask.key);
    await this.replies.add(tenant, conversationId, {
      key: `going-on/${word.id}`,
      content: { type: 'progress', text: goingOn(turn.state, tool) },
      about: aboutOf(ask.decision, ask.key),
    });
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
