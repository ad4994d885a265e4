import { Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import type { ExternalSystem } from '../../contracts/index.js';
import { Database, type Tenant } from '../../database/index.js';
import type { ExternalPerson } from '../../identity/index.js';
import { World } from '../../kernel/index.js';
import { conversationsStore, type ConversationRow } from '../conversations/conversations.store.js';
import { aboutOf } from '../replies/content.js';
import { Replies } from '../replies/replies.service.js';
import type { Ask, AskOutcome } from './ask.js';
import { asksStore } from './asks.store.js';
import { stopsStore } from './stops.store.js';

/** Somebody wants an end of what is under way. */
export interface Stop {
  organizationId: string;
  system: ExternalSystem;
  /** Of its meaning, so that it is confirmed once. */
  key: string;
  conversationKey: string;
  deliveryRowId: string | null;
  asker: ExternalPerson | null;
  /** When it was meant, by that system's clock: what was written later goes on. */
  writtenAt?: Date | null;
  /** What is ended by it even when it was not heard of yet; a stop may be told before it. */
  overtaken?: Pick<Ask, 'key' | 'conversation' | 'asker'>;
}

/** What somebody asked, and took back. */
export interface Withdrawal extends Pick<
  Ask,
  'organizationId' | 'system' | 'key' | 'conversation' | 'asker' | 'about'
> {
  /** Why, for people. */
  text: string;
}

/** The ends of what was asked at other systems. Told in whatever order, what was written before an end does not begin after it, and what was written after it goes on. */
@Injectable()
export class Stops {
  constructor(
    private readonly database: Database,
    private readonly chats: ChatsService,
    private readonly replies: Replies,
    private readonly world: World,
  ) {}

  /**
   * Nothing that is a part of this and was written up to then is begun, whether it was told of or not. What is under way is yet to be stopped, in each conversation (`stop`): whoever was deciding on one when this
   * was called is done when it returns.
   */
  async forbid(organizationId: string, system: ExternalSystem, name: string, at: Date): Promise<void> {
    await this.database.tenant(organizationId, async (tenant) => {
      await stopsStore.alone(tenant, system, name);
      await stopsStore.mark(tenant, system, name, at);
    });
  }

  /** Ends what is under way in a conversation, and what waits there. Whoever is heard there may ask for it: it takes nothing from anybody. */
  async stop(stop: Stop): Promise<{ outcome: string; workspaceId?: string }> {
    const { organizationId, system, key, conversationKey, overtaken } = stop;
    return this.database.tenant(organizationId, async (tenant) => {
      await conversationsStore.hold(tenant, system, conversationKey);
      if (stop.writtenAt) await stopsStore.mark(tenant, system, conversationKey, stop.writtenAt);
      if (overtaken) await this.forestall(tenant, system, overtaken, 'stopped');
      const conversation = await conversationsStore.findByKey(tenant, system, conversationKey);
      if (!conversation) return { outcome: 'ignored-nothing-here' };
      if (await asksStore.find(tenant, system, key)) return { outcome: 'already-done' };
      const { id, workspaceId } = conversation;
      await this.endIn(tenant, conversation, stop);
      // Remembered as what it was: asked for once.
      await asksStore.write(tenant, stop, {
        ...{ id: this.world.ids.next(), conversationId: id, userId: null, messageId: null },
        ...{ state: 'taken', outcome: 'stopped', decision: {}, at: this.world.clock.now() },
      });
      return { outcome: 'stopped', ...(workspaceId === null ? {} : { workspaceId }) };
    });
  }

  private async endIn(
    tenant: Tenant,
    { id, workspaceId }: ConversationRow,
    { key, writtenAt = null }: Stop,
  ): Promise<void> {
    const waited = await asksStore.giveUp(tenant, id, 'stopped', this.world.clock.now(), writtenAt);
    const spared: string[] = [];
    const butLater = async (ids: string[]): Promise<string[]> => {
      if (writtenAt) spared.push(...(await asksStore.writtenAfter(tenant, id, ids, writtenAt)));
      return ids.filter((each) => !spared.includes(each));
    };
    const ended = workspaceId === null ? [] : await this.chats.stopAll(tenant, workspaceId, butLater);
    // It came late, and there is nothing of what it meant: what was asked after it goes on, and is not to look ended.
    if (spared.length > 0 && ended.length + waited === 0) return;
    const [told] = await asksStore.withMessages(tenant, id, ended);
    const text = ended.length + waited > 0 ? 'Stopped.' : 'There was nothing under way.';
    // Under the key of the turn's own end where there is one: it is said now, and not once more when the agent has stopped.
    await this.replies.add(tenant, id, {
      key: told ? `end/${told}` : `stopped/${key}`,
      content: { type: 'stopped', text },
    });
  }

  /** What was asked was taken back: it does not begin, and ends where it has begun. Told of before the ask itself, it is remembered for that. */
  async withdraw(withdrawal: Withdrawal): Promise<{ outcome: AskOutcome; workspaceId?: string }> {
    const { organizationId, system, key, conversation: place, about, text } = withdrawal;
    return this.database.tenant(organizationId, async (tenant) => {
      await conversationsStore.hold(tenant, system, place.key);
      await this.forestall(tenant, system, withdrawal, 'withdrawn');
      const ask = await asksStore.find(tenant, system, key);
      const conversation = await conversationsStore.findByKey(tenant, system, place.key);
      if (!ask || !conversation) return { outcome: 'ignored-nothing-here' };
      const { messageId, decision } = ask;
      const { workspaceId } = conversation;
      if (ask.state !== 'taken')
        return { outcome: ask.outcome === 'withdrawn' ? 'withdrawn' : 'already-done' };
      const ended =
        workspaceId === null || messageId === null
          ? []
          : await this.chats.stopAll(tenant, workspaceId, (ids) =>
              Promise.resolve(ids.filter((each) => each === messageId)),
            );
      if (ended.length === 0 || workspaceId === null) return { outcome: 'already-done' };
      await this.replies.add(tenant, conversation.id, {
        key: `end/${messageId ?? ''}`,
        content: { type: 'stopped', text },
        about: { ...about, ...aboutOf(decision, key) },
      });
      return { outcome: 'withdrawn', workspaceId };
    });
  }

  /** What was ended before it was told of, or before it was done, is known as that when it comes, and so does not start. */
  private async forestall(
    tenant: Tenant,
    system: ExternalSystem,
    { key, conversation, asker }: NonNullable<Stop['overtaken']>,
    outcome: 'stopped' | 'withdrawn',
  ): Promise<void> {
    const known = await asksStore.find(tenant, system, key);
    if (known && (outcome === 'stopped' || known.state !== 'waiting')) return;
    const at = this.world.clock.now();
    const place = { system, ...conversation };
    const { id: conversationId } = await conversationsStore.findOrOpen(tenant, place, {
      id: this.world.ids.next(),
      at,
    });
    await asksStore.write(
      tenant,
      { system, key, deliveryRowId: null, asker },
      {
        ...{ id: this.world.ids.next(), conversationId, userId: null, messageId: null },
        ...{ state: 'refused', outcome, decision: {}, at },
      },
    );
  }
}
