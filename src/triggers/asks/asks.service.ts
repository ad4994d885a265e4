import { Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import { Audit, systemActor } from '../../audit/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { eventsStore } from '../../events/index.js';
import { ExternalAccounts, Preferences } from '../../identity/index.js';
import { BerthError, crashPoint, World } from '../../kernel/index.js';
import { WorkspacesService } from '../../workspaces/index.js';
import { Conversations } from '../conversations/conversations.service.js';
import { conversationsStore, type ConversationRow } from '../conversations/conversations.store.js';
import { Deliveries } from '../deliveries/deliveries.service.js';
import { Replies } from '../replies/replies.service.js';
import {
  answersTo,
  causeOf,
  decisionOn,
  paused,
  refused,
  stopped,
  type Case,
  type Ending,
} from './ask-case.js';
import type { Ask, AskOutcome, Taken } from './ask.js';
import { asksStore, type Windows } from './asks.store.js';
import { timesAtOnce } from './at-once.js';
import { stopsStore } from './stops.store.js';
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
export interface AskToKnow extends Pick<Ask, 'writtenAt' | 'partOf'> {
  system: ExternalSystem;
  key: string;
  conversationKey: string;
  /** What it is about, as `causeOf` names it. */
  cause: string;
  /** Null: nobody. */
  askerId: string | null;
}

/** What is known of an ask at once. `outcome` null: it is to be decided. */
export type Known = { outcome: AskOutcome } | ({ outcome: null } & Required<Pick<Ask, 'beginsAnew'>>);

/** What of a case is looked up last. */
type Asking = 'who' | 'stand' | 'atOnce';

/** What people ask for at other systems: each becomes a message in a workspace once, or is answered why not. */
@Injectable()
export class Asks {
  constructor(
    private readonly database: Database,
    private readonly accounts: ExternalAccounts,
    private readonly preferences: Preferences,
    private readonly workspaces: WorkspacesService,
    private readonly starting: Starting,
    private readonly messages: Messages,
    private readonly replies: Replies,
    private readonly deliveries: Deliveries,
    private readonly conversations: Conversations,
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
   * What becomes of an ask before anybody is asked for facts: it was decided already, it was stopped before it was told of, or what goes in circles is not heard there for now. A quick look: stopped
   * means no call at all.
   */
  async known(organizationId: string, ask: AskToKnow): Promise<Known> {
    return this.database.tenant(organizationId, async (tenant) => {
      const found = await asksStore.find(tenant, ask.system, ask.key);
      if (found && found.state !== 'waiting') return { outcome: 'already-done' };
      const conversation = await conversationsStore.findByKey(tenant, ask.system, ask.conversationKey);
      if (await this.isStopped(tenant, ask, conversation, this.world.clock.now()))
        return { outcome: 'stopped-by-breaker' };
      const { writtenAt, partOf } = ask;
      const asked = { system: ask.system, writtenAt, partOf, conversation: { key: ask.conversationKey } };
      if (await stopsStore.isStopped(tenant, asked)) return { outcome: 'stopped' };
      const { system, askerId } = ask;
      const beginsAnew =
        !conversation && askerId !== null && (await this.accounts.isLinked(tenant, system, askerId));
      return { outcome: null, beginsAnew };
    });
  }

  /**
   * Decides what becomes of an ask, and does it: who asks, what is behind the conversation, the message, what is said. One transaction, so that killed anywhere it is done as a whole or not at all; and
   * one at a time per conversation, so that two who ask at once do not get two workspaces. Throws `not-connected` where its system has left meanwhile: nothing of it is done.
   */
  async take(ask: Ask): Promise<Taken> {
    const startsLikely = ask.beginsAnew && ask.mayStart && !ask.refusal;
    let plan = startsLikely ? await this.starting.prepare(ask) : undefined;
    for (;;) {
      const taken = await this.decided(ask, plan);
      if (taken) return taken;
      plan = await this.starting.prepare(ask);
    }
  }

  /** Null: a workspace is to be made of it, and what of is not looked up yet (`plan` undefined). That asks other systems: no transaction waits for it, and nobody who only goes on with a workspace. */
  private async decided(ask: Ask, plan: Case['plan'] | undefined): Promise<Taken | null> {
    const taken = await this.database.tenant(ask.organizationId, (tenant) => this.takeIn(tenant, ask, plan));
    if (taken) crashPoint('ask.committed');
    return taken;
  }

  private async takeIn(tenant: Tenant, ask: Ask, plan: Case['plan'] | undefined): Promise<Taken | null> {
    const at = this.world.clock.now();
    await conversationsStore.hold(tenant, ask.system, ask.conversation.key);
    await stopsStore.among(tenant, ask.system, ask.partOf ?? []);
    const conversation = await conversationsStore.findOrOpen(
      tenant,
      { system: ask.system, ...ask.conversation },
      { id: this.world.ids.next(), at },
    );
    const known = await asksStore.find(tenant, ask.system, ask.key);
    const conversationId = conversation.id;
    if (known && known.state !== 'waiting') return { outcome: 'already-done', conversationId };
    const facts = { tenant, ask, conversation, isKnown: known !== null, plan: plan ?? null, at };
    const one: Case = { ...facts, ...(await this.asking(facts)) };
    const decision = (await stopsStore.isStopped(tenant, ask)) ? null : await this.decide(one);
    if (decision?.do === 'start' && plan === undefined) return null;
    const ending = decision ? await this.carryOut(one, decision) : stopped(ask);
    // All of it is undone where there is nobody to answer any more.
    if (ask.isConnected && !(await ask.isConnected(tenant))) throw notConnected();
    await this.write(one, ending);
    crashPoint('ask.written');
    const { outcome, workspaceId } = ending;
    return { outcome, conversationId, ...(workspaceId ? { workspaceId } : {}) };
  }

  /** Who asks, who stands for nobody, and how often it was asked at once. */
  private async asking(facts: Omit<Case, Asking>): Promise<Pick<Case, Asking>> {
    const { tenant, ask, conversation, isKnown, at } = facts;
    return {
      who: ask.asker && (await this.accounts.find(tenant, ask.asker)),
      stand: ask.asker === null ? await this.preferences.automationActor(tenant) : null,
      atOnce: isKnown ? 0 : await this.timesAtOnce(tenant, ask, conversation, at),
    };
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
    const touched = { workspaceId, outcome, at };
    if (await conversationsStore.touch(tenant, conversation, ask.conversation, touched))
      this.conversations.settleSoon(tenant);
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

function notConnected(): BerthError {
  return new BerthError('not-connected', 'The other system was disconnected meanwhile.');
}
