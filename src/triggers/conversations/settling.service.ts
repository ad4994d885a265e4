import { Inject, Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { eventsStore } from '../../events/index.js';
import { BerthError, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { WorkspacesService } from '../../workspaces/index.js';
import { asksStore } from '../asks/asks.store.js';
import { aboutOf } from '../replies/content.js';
import { Replies } from '../replies/replies.service.js';
import { repliesStore } from '../replies/replies.store.js';
import { conversationsStore, type ConversationRow } from './conversations.store.js';

const PAGE = 100;
const RETRY_SECONDS = 5;

/** What becomes of what waited for somebody, where nobody is any more. */
const GIVEN_UP = 'refused-disconnected';

/**
 * What follows when conversations are closed, or open again. A conversation at a time and each in a transaction of its own, since there may be hundreds and each holds its workspace: killed in the middle, the
 * rows say which are left.
 */
@Injectable()
export class Settling {
  constructor(
    private readonly database: Database,
    private readonly chats: ChatsService,
    private readonly workspaces: WorkspacesService,
    private readonly replies: Replies,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Settles what is not settled of an organization. One that cannot be is no trouble for the others. Throws `not-ready` when some are left. */
  async settle(organizationId: string, signal?: AbortSignal): Promise<void> {
    let left = 0;
    for (let after: string | null = null; ;) {
      const page = await this.page(organizationId, after);
      for (const one of page) {
        if (signal?.aborted) throw leftOver();
        if (!(await this.attempt(organizationId, one))) left++;
      }
      after = page.at(-1)?.id ?? null;
      if (page.length < PAGE) break;
    }
    if (left > 0) throw leftOver();
  }

  private page(organizationId: string, after: string | null) {
    return this.database.tenant(organizationId, (tenant) =>
      conversationsStore.unsettled(tenant, after, PAGE),
    );
  }

  private async attempt(
    organizationId: string,
    { id, system, key }: { id: string; system: string; key: string },
  ): Promise<boolean> {
    try {
      await this.database.tenant(organizationId, async (tenant) => {
        // Nothing is asked there meanwhile: what was asked before is ended here, and what comes after is decided on as it stands.
        await conversationsStore.hold(tenant, system, key);
        const found = await conversationsStore.find(tenant, id);
        if (found && !found.isSettled) await this.one(tenant, found);
      });
      return true;
    } catch (error) {
      this.log.warn(
        { conversationId: id, reason: messageOf(error) },
        'a conversation could not be settled; it is tried again',
      );
      return false;
    }
  }

  private async one(tenant: Tenant, conversation: ConversationRow): Promise<void> {
    const { id, workspaceId, state } = conversation;
    const ended = state === 'closed' && workspaceId !== null ? await this.end(tenant, id, workspaceId) : [];
    if (workspaceId !== null && (await this.workspaces.exists(tenant, workspaceId)))
      await this.tell(tenant, workspaceId, conversation);
    // The conversation's row comes after the workspace's.
    if (state === 'closed') await this.close(tenant, conversation, ended);
    if (state === 'open') await this.sayWhatWaits(tenant, id);
    await conversationsStore.settled(tenant, conversation);
  }

  private async sayWhatWaits(tenant: Tenant, conversationId: string): Promise<void> {
    await repliesStore.resume(tenant, conversationId, this.world.clock.now());
    const { organizationId } = tenant;
    tenant.afterCommit(() => this.replies.ask({ organizationId, conversationId }));
  }

  /** Ends what was asked there and is not over; what others asked of the same workspace goes on. */
  private end(tenant: Tenant, conversationId: string, workspaceId: string): Promise<string[]> {
    return this.chats.stopAll(tenant, workspaceId, (ids) =>
      asksStore.withMessages(tenant, conversationId, ids),
    );
  }

  private async tell(
    tenant: Tenant,
    workspaceId: string,
    { state, stateReason, url }: ConversationRow,
  ): Promise<void> {
    const data = { state, ...(stateReason === null ? {} : { reason: stateReason }), url };
    await eventsStore.append(tenant, workspaceId, [
      { type: 'conversation.state', at: this.world.clock.now(), data },
    ]);
  }

  /** Each ask that was ended is told so when its system is back. Under the key of the turn's own end: it is not told twice. */
  private async close(tenant: Tenant, conversation: ConversationRow, ended: string[]): Promise<void> {
    const { id, stateReason, isOver } = conversation;
    const text = `Stopped: ${stateReason ?? 'the connection was ended.'} Write again and it goes on.`;
    for (const { key, messageId, decision } of await asksStore.ofMessages(tenant, id, ended))
      await this.replies.add(tenant, id, {
        key: `end/${messageId ?? ''}`,
        content: { type: 'stopped', text },
        about: aboutOf(decision, key),
      });
    if (isOver) await asksStore.giveUp(tenant, id, GIVEN_UP, this.world.clock.now());
  }
}

function leftOver(): BerthError {
  return new BerthError('not-ready', 'Some conversations are yet to be settled.', {
    retryAfterSeconds: RETRY_SECONDS,
  });
}
