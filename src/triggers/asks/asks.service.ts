import { Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import { Audit, systemActor } from '../../audit/index.js';
import { ChatsService } from '../../chats/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { eventsStore } from '../../events/index.js';
import { ExternalAccounts, Preferences, type ExternalPerson } from '../../identity/index.js';
import { crashPoint, World } from '../../kernel/index.js';
import { WorkspacesService } from '../../workspaces/index.js';
import { conversationsStore, type ConversationRow } from '../conversations/conversations.store.js';
import { Deliveries } from '../deliveries/deliveries.service.js';
import { Replies } from '../replies/replies.service.js';
import { answersTo, causeOf, decisionOn, paused, refused, type Case, type Ending } from './ask-case.js';
import type { Ask, Taken } from './ask.js';
import { asksStore, type Windows } from './asks.store.js';
import { timesAtOnce } from './at-once.js';
import { breaker, isPauseOver, tooMuch } from './breaker.js';
import { decideAsk, type AskDecision } from './decision.js';
import { Messages } from './messages.service.js';
import { Starting } from './starting.service.js';

/** So many of what somebody asked before they were connected are done afterwards; who waits for more asks again. */
const MOST_TO_CATCH_UP = 20;

const LINK_IS_OPEN =
  'You were given a link to connect your account already. Open it: what you asked here goes on by itself then.';

const GOES_ON =
  'Nothing that is written here is done for an hour; then write again. An admin can resume it now in Berth: `berth conversations list` shows it, `berth conversations resume` has it heard again.';

/** By what it is seen that an ask needs no decision. */
export interface AskToKnow {
  system: ExternalSystem;
  key: string;
  conversationKey: string;
  /** What it is about, as `causeOf` names it. */
  cause: string;
  /** Null: nobody. */
  askerId: string | null;
}

/** Somebody wants an end of what is under way. */
export interface Stop {
  organizationId: string;
  system: ExternalSystem;
  /** Of its meaning, so that it is confirmed once. */
  key: string;
  conversationKey: string;
  deliveryRowId: string | null;
  asker: ExternalPerson | null;
  /** What is ended by it even when it was not heard of yet; a stop may be told before it. */
  overtaken?: Pick<Ask, 'key' | 'conversation' | 'asker'>;
}

/** What people ask for at other systems: each becomes a message in a workspace once, or is answered why not. */
@Injectable()
export class Asks {
  constructor(
    private readonly database: Database,
    private readonly accounts: ExternalAccounts,
    private readonly preferences: Preferences,
    private readonly chats: ChatsService,
    private readonly workspaces: WorkspacesService,
    private readonly starting: Starting,
    private readonly messages: Messages,
    private readonly replies: Replies,
    private readonly deliveries: Deliveries,
    private readonly world: World,
    private readonly audit: Audit,
  ) {
    accounts.whenLinked((tenant, { system, externalId }) => this.catchUp(tenant, system, externalId));
  }

  /** Whether it was decided already. A quick look, for who would ask another system for facts else. */
  async isTaken(organizationId: string, system: ExternalSystem, key: string): Promise<boolean> {
    const found = await this.database.tenant(organizationId, (tenant) => asksStore.find(tenant, system, key));
    return found !== null && found.state !== 'waiting';
  }

  /**
   * What becomes of an ask before anybody is asked for facts: it was decided already, or what goes in circles is not heard there for now. A quick look: stopped means no call at all. Null: it is to be
   * decided.
   */
  async known(organizationId: string, ask: AskToKnow): Promise<'already-done' | 'stopped-by-breaker' | null> {
    return this.database.tenant(organizationId, async (tenant) => {
      const found = await asksStore.find(tenant, ask.system, ask.key);
      if (found && found.state !== 'waiting') return 'already-done';
      const conversation = await conversationsStore.findByKey(tenant, ask.system, ask.conversationKey);
      const isStopped = await this.isStopped(tenant, ask, conversation, this.world.clock.now());
      return isStopped ? 'stopped-by-breaker' : null;
    });
  }

  /**
   * Decides what becomes of an ask, and does it: who asks, what is behind the conversation, the message, what is said. One transaction, so that killed anywhere it is done as a whole or not at all; and
   * one at a time per conversation, so that two who ask at once do not get two workspaces.
   */
  async take(ask: Ask): Promise<Taken> {
    for (let plan: Case['plan'] | undefined; ;) {
      const taken = await this.decided(ask, plan);
      if (taken) return taken;
      plan = await this.starting.prepare(ask);
    }
  }

  /** Null: a workspace is to be made of it, and what of is not looked up yet (`plan` undefined). That asks other systems: no transaction waits for it, and nobody who only goes on with a workspace. */
  private async decided(ask: Ask, plan: Case['plan'] | undefined): Promise<Taken | null> {
    const taken = await this.database.tenant(ask.organizationId, async (tenant): Promise<Taken | null> => {
      const at = this.world.clock.now();
      await conversationsStore.hold(tenant, ask.system, ask.conversation.key);
      const conversation = await this.conversationOf(tenant, ask, at);
      const known = await asksStore.find(tenant, ask.system, ask.key);
      const conversationId = conversation.id;
      if (known && known.state !== 'waiting') return { outcome: 'already-done', conversationId };
      const who = ask.asker && (await this.accounts.find(tenant, ask.asker));
      const stand = ask.asker === null ? await this.preferences.automationActor(tenant) : null;
      const atOnce = known ? 0 : await this.timesAtOnce(tenant, ask, conversation, at);
      const isKnown = known !== null;
      const one: Case = { tenant, ask, conversation, isKnown, who, stand, plan: plan ?? null, atOnce, at };
      const decision = await this.decide(one);
      if (decision.do === 'start' && plan === undefined) return null;
      const ending = await this.carryOut(one, decision);
      await this.write(one, ending);
      crashPoint('ask.written');
      const { outcome, workspaceId } = ending;
      return { outcome, conversationId, ...(workspaceId ? { workspaceId } : {}) };
    });
    if (taken) crashPoint('ask.committed');
    return taken;
  }

  /** Ends what is under way in a conversation, and what waits there. Whoever is heard there may ask for it: it takes nothing from anybody. */
  async stop({
    organizationId,
    system,
    key,
    conversationKey,
    asker,
    deliveryRowId,
    overtaken,
  }: Stop): Promise<{ outcome: string; workspaceId?: string }> {
    return this.database.tenant(organizationId, async (tenant) => {
      await conversationsStore.hold(tenant, system, conversationKey);
      if (overtaken) await this.forestall(tenant, system, overtaken);
      const conversation = await conversationsStore.findByKey(tenant, system, conversationKey);
      if (!conversation) return { outcome: 'ignored-nothing-here' };
      if (await asksStore.find(tenant, system, key)) return { outcome: 'already-done' };
      const { id, workspaceId } = conversation;
      const at = this.world.clock.now();
      const waited = await asksStore.giveUp(tenant, id, 'stopped', at);
      const ended = workspaceId === null ? [] : await this.chats.stopAll(tenant, workspaceId);
      const [told] = await asksStore.withMessages(tenant, id, ended);
      const text = ended.length + waited > 0 ? 'Stopped.' : 'There was nothing under way.';
      // Under the key of the turn's own end where there is one: it is said now, and not once more when the agent has stopped.
      const reply = {
        key: told ? `end/${told}` : `stopped/${key}`,
        content: { type: 'stopped' as const, text },
      };
      await this.replies.add(tenant, id, reply);
      // Remembered as what it was: asked for once.
      await asksStore.write(
        tenant,
        { system, key, deliveryRowId, asker },
        {
          ...{ id: this.world.ids.next(), conversationId: id, userId: null, messageId: null },
          ...{ state: 'taken', outcome: 'stopped', decision: {}, at },
        },
      );
      return { outcome: 'stopped', ...(workspaceId === null ? {} : { workspaceId }) };
    });
  }

  /** What was stopped before it was told of is known as that when it comes, and so does not start. */
  private async forestall(
    tenant: Tenant,
    system: ExternalSystem,
    { key, conversation, asker }: NonNullable<Stop['overtaken']>,
  ): Promise<void> {
    if (await asksStore.find(tenant, system, key)) return;
    const at = this.world.clock.now();
    const { id: conversationId } = await this.conversationOf(tenant, { system, conversation }, at);
    await asksStore.write(
      tenant,
      { system, key, deliveryRowId: null, asker },
      {
        ...{ id: this.world.ids.next(), conversationId, userId: null, messageId: null },
        ...{ state: 'refused', outcome: 'stopped', decision: {}, at },
      },
    );
  }

  /** The conversation as it stands. Its row is written last, since others lock it after a workspace. */
  private async conversationOf(
    tenant: Tenant,
    { system, conversation }: Pick<Ask, 'system' | 'conversation'>,
    at: Date,
  ): Promise<ConversationRow> {
    const found = await conversationsStore.findByKey(tenant, system, conversation.key);
    return (
      found ?? conversationsStore.open(tenant, { system, ...conversation }, { id: this.world.ids.next(), at })
    );
  }

  private async decide(one: Case): Promise<AskDecision> {
    const { tenant, ask, conversation, isKnown, who, stand, atOnce, at } = one;
    const { id, workspaceId } = conversation;
    const cause = causeOf(ask);
    const since = windowsOf(conversation, at);
    const counts = await asksStore.counts(tenant, { conversationId: id, cause, since });
    const askerId = ask.asker?.externalId ?? null;
    return decideAsk({
      isKnown,
      excess: tooMuch(counts, ask.asker === null, atOnce),
      isPaused: await this.isStopped(tenant, { system: ask.system, askerId, cause }, conversation, at),
      who,
      automation: stand !== null,
      refusal: ask.refusal ?? null,
      workspace: workspaceId === null ? null : await this.workspaces.stateOf(tenant, workspaceId),
      mayStart: ask.mayStart,
    });
  }

  private async timesAtOnce(
    tenant: Tenant,
    ask: Ask,
    conversation: ConversationRow,
    at: Date,
  ): Promise<number> {
    const askerId = ask.asker?.externalId;
    if (askerId === undefined) return 0;
    const { day: since } = windowsOf(conversation, at);
    const asked = {
      conversationId: conversation.id,
      system: ask.system,
      askerId,
      cause: causeOf(ask),
      since,
    };
    const before = await asksStore.lastBefore(tenant, asked);
    return timesAtOnce(before, { askerId, characters: ask.characters ?? ask.text.length }, at);
  }

  /** Nothing is heard in a paused conversation, nor elsewhere of who was stopped there for the same. */
  private async isStopped(
    tenant: Tenant,
    asked: Pick<AskToKnow, 'system' | 'askerId' | 'cause'>,
    conversation: ConversationRow | null,
    at: Date,
  ): Promise<boolean> {
    if (conversation?.state === 'paused') return !isPauseOver(pausedAt(conversation), at);
    const since = new Date(at.getTime() - breaker.pauseSeconds * 1000);
    return asksStore.isStopped(tenant, { ...asked, since });
  }

  private async carryOut(one: Case, decision: AskDecision): Promise<Ending> {
    const { ask } = one;
    switch (decision.do) {
      case 'nothing':
        return { state: null, outcome: decision.outcome };
      case 'pause':
        return this.pause(one, decision.text);
      case 'refuse':
        return refused(ask, decision.outcome, decision.text);
      case 'wait-for-link':
        return this.waitForLink(one);
      case 'continue':
        return this.messages.continue(one);
      case 'start':
        return this.messages.start(one);
    }
  }

  /** What is asked waits for who asked to be connected; they are told once how. */
  private async waitForLink({ tenant, ask, isKnown }: Case): Promise<Ending> {
    const { asker, key } = ask;
    const link = asker && (await this.accounts.personalLink(tenant, asker));
    const person = { externalId: asker?.externalId ?? '', handle: asker?.handle ?? null };
    const connect = link && {
      key: `connect/${key}`,
      content: { type: 'connect' as const, url: link.url, person },
    };
    // Nobody else sees a session at Linear, and without an end it stands there as if it were worked on.
    const reminder =
      !connect && !isKnown && ask.system === 'linear'
        ? {
            key: `connect-open/${person.externalId}`,
            content: { type: 'refused' as const, text: LINK_IS_OPEN },
          }
        : null;
    return { state: 'waiting', outcome: 'awaiting-link', say: [connect ?? reminder ?? []].flat() };
  }

  /** Visible where people look: in the conversation, in its workspace's events, in its state. One sentence, and nothing more until the pause is over. */
  private async pause({ tenant, ask, conversation, at }: Case, reason: string): Promise<Ending> {
    const { id, workspaceId } = conversation;
    if (workspaceId !== null && (await this.workspaces.exists(tenant, workspaceId)))
      await eventsStore.append(tenant, workspaceId, [
        { type: 'conversation.state', at, data: { state: 'paused', reason, url: conversation.url } },
      ]);
    await conversationsStore.move(tenant, id, 'paused', reason, at);
    this.audit.record(tenant, {
      action: 'conversation.paused',
      actor: systemActor('asks'),
      subject: { type: 'conversation', id, name: conversation.key },
      details: { system: ask.system, reason, workspaceId },
    });
    tenant.metrics.count('berth_conversations_paused_total', { system: ask.system });
    return paused(ask, `${reason} ${GOES_ON}`);
  }

  private async write(one: Case, { state, outcome, ...ending }: Ending): Promise<void> {
    const { tenant, ask, conversation, who, at } = one;
    // Of what is stopped or of no concern there may be very much.
    if (state === null) return;
    await asksStore.write(tenant, ask, {
      ...{ id: this.world.ids.next(), conversationId: conversation.id, state, outcome, at },
      userId: who?.outcome === 'linked' ? who.actor.userId : null,
      decision: { ...decisionOn(one), ...(ending.question ? { question: ending.question } : {}) },
      messageId: ending.messageId ?? null,
    });
    const workspaceId = ending.workspaceId ?? null;
    await conversationsStore.touch(tenant, conversation, ask.conversation, { workspaceId, outcome, at });
    for (const reply of answersTo(ask, ending.say ?? []))
      await this.replies.add(tenant, conversation.id, reply);
    tenant.metrics.count('berth_asks_total', { system: ask.system, outcome });
  }

  /** Somebody is connected now: what they asked before is handled once more, as it was delivered. */
  private async catchUp(tenant: Tenant, system: ExternalSystem, externalId: string): Promise<void> {
    const asks = await asksStore.waitingFor(tenant, system, externalId, MOST_TO_CATCH_UP);
    await this.deliveries.again(
      tenant,
      asks.flatMap(({ deliveryId }) => deliveryId ?? []),
    );
  }
}

/** What was asked before it was paused or resumed is not counted any more. */
function windowsOf({ countedFrom }: ConversationRow, at: Date): Windows {
  const before = (seconds: number): Date =>
    new Date(Math.max(at.getTime() - seconds * 1000, countedFrom?.getTime() ?? 0));
  return { usual: before(breaker.windowSeconds), hour: before(3600), day: before(24 * 3600) };
}

const pausedAt = ({ countedFrom, updatedAt }: ConversationRow): Date => countedFrom ?? updatedAt;
