import { Inject, Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { crashPoint, LOG, messageOf, METRICS, World, type Log, type Metrics } from '../../kernel/index.js';
import { isPauseOver } from '../asks/breaker.js';
import { blocked, budgetKey, callsOf, giveBack, systemLimits, take } from './budget.js';
import { storedReplySchema, type StoredReply } from './content.js';
import { dueOf, isUrgent, pauseSeconds, type WaitingReply } from './order.js';
import { Replies } from './replies.service.js';
import { repliesStore, type Ending, type Place } from './replies.store.js';
import type { ReplySender, SendOutcome } from './sender.js';

/** A reply that nobody was heard of for so long who is on it is tried again. */
const CLAIM_MS = 15_000;
const BEAT_MS = 5_000;
/** A sender that has not ended by then is not waited for. */
const SEND_MS = 60_000;
/** So much in one job: others have something to say too. */
const PER_JOB = 25;
const JOB_MS = 60_000;
/** Where nothing can be said now, it is looked again after so long. */
const CLOSED_MS = 60_000;

/** A try at a reply. */
interface Try {
  place: Place;
  sender: ReplySender;
  reply: { id: string; attempts: number; externalKey: string; createdAt: Date };
  stored: StoredReply;
  /** Out of the budget, for the time being. */
  taken: { calls: number; at: Date };
}

/**
 * Says what waits in a conversation, in its order and one at a time: that one is on its way is written in its row, and no transaction is open meanwhile. Killed before the row says that it was said, it is said
 * again under the same id.
 */
@Injectable()
export class Sending {
  constructor(
    private readonly database: Database,
    private readonly replies: Replies,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  /** Says what is due. False: there may be more. */
  async send(organizationId: string, conversationId: string): Promise<boolean> {
    const begunAt = performance.now();
    const begin = (tenant: Tenant): Promise<Try | null> => this.begin(tenant, conversationId);
    let begun = await this.database.tenant(organizationId, begin);
    for (let said = 1; begun; said++) {
      const one = begun;
      const outcome = await this.attempt(organizationId, one);
      crashPoint('reply.said');
      const mayGoOn = said < PER_JOB && performance.now() - begunAt < JOB_MS;
      begun = await this.database.tenant(organizationId, async (tenant) => {
        await this.end(tenant, one, outcome);
        return mayGoOn ? begin(tenant) : null;
      });
      crashPoint('reply.stored');
      if (!mayGoOn) return false;
    }
    return true;
  }

  /** Null: nothing is to be said now, or somebody else is at it. */
  private async begin(tenant: Tenant, conversationId: string): Promise<Try | null> {
    const place = await repliesStore.lock(tenant, conversationId);
    if (!place) return null;
    const waiting = await repliesStore.waiting(tenant, conversationId);
    if (waiting.length === 0) return null;
    const now = this.world.clock.now();
    if (place.state === 'closed' && place.isOver) {
      const ids = waiting.map(({ id }) => id);
      const error = place.stateReason ?? 'The conversation is over.';
      await this.giveUp(tenant, place, ids, 'dropped', error);
      return null;
    }
    const { late, overtaken } = dueOf(waiting, now);
    await this.giveUp(tenant, place, late, 'failed', 'It could not be said in time.');
    await this.giveUp(tenant, place, overtaken, 'dropped', 'What it was a sign of was said before.');
    const sender = this.replies.senderOf(place.system);
    const left = waiting.filter(({ id }) => !late.includes(id) && !overtaken.includes(id));
    const sayable = sender ? sayableIn(place, left, now) : [];
    // Also signs of life: what went in circles would go on with whatever is said, and where the system left nobody would see one.
    const until = new Date(now.getTime() + CLOSED_MS);
    for (const reply of left)
      if (!sayable.includes(reply) && reply.nextAt <= now) await repliesStore.hold(tenant, reply, until);
    if (!sender || sayable.length === 0) return null;
    const due = dueOf(sayable, now);
    await this.giveUp(tenant, place, due.folded, 'dropped', 'A newer one was said in its place.');
    if (!due.next) {
      if (due.at) await repliesStore.putOff(tenant, conversationId, due.at);
      return null;
    }
    return this.claim(tenant, place, sender, due.next);
  }

  private async claim(
    tenant: Tenant,
    place: Place,
    sender: ReplySender,
    next: WaitingReply,
  ): Promise<Try | null> {
    const now = this.world.clock.now();
    const key = budgetKey(place.system, place.subject);
    const system = place.system as ExternalSystem;
    const wish = { calls: callsOf(next, system), urgent: isUrgent(next) };
    const budget = await repliesStore.lockBudget(tenant, key);
    const granted = take(budget, systemLimits[system], wish, now);
    await repliesStore.keepBudget(tenant, key, granted.budget);
    if (!granted.granted) {
      await repliesStore.hold(tenant, next, granted.at);
      if (!wish.urgent) await repliesStore.putOff(tenant, place.id, granted.at);
      return null;
    }
    const row = await repliesStore.claim(tenant, next, new Date(now.getTime() + CLAIM_MS));
    if (!row) return null;
    const stored = storedReplySchema.safeParse(row.content);
    if (!stored.success) {
      // Of another version of Berth: nobody here can say it, and what comes after it must not wait for ever.
      await this.giveUp(tenant, place, [row.id], 'failed', 'It is not understood.');
      return null;
    }
    const taken = { calls: wish.calls, at: now };
    return { place, sender, reply: { ...row, attempts: next.attempts + 1 }, stored: stored.data, taken };
  }

  /** Says it, and keeps saying that somebody is on it. Never throws. */
  private async attempt(organizationId: string, { place, sender, reply, stored }: Try): Promise<SendOutcome> {
    const late = new AbortController();
    const { id, key, url, subject, made } = place;
    const job = {
      organizationId,
      conversation: { id, key, url, subject, made },
      reply: { id: reply.id, externalKey: reply.externalKey, ...stored, attempts: reply.attempts - 1 },
    };
    let beating: Promise<void> = Promise.resolve();
    const beat = setInterval(() => {
      beating = this.beat(organizationId, reply, late);
    }, BEAT_MS);
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<SendOutcome>((resolve) => {
      timer = setTimeout(() => {
        late.abort();
        resolve(this.laterFor(reply, 'It took too long.'));
      }, SEND_MS);
    });
    try {
      return await Promise.race([sender(job, late.signal), timedOut]);
    } catch (error) {
      return this.laterFor(reply, messageOf(error));
    } finally {
      clearInterval(beat);
      clearTimeout(timer);
      // One under way would write over the time of the next try.
      await beating;
    }
  }

  private async beat(organizationId: string, reply: Try['reply'], late: AbortController): Promise<void> {
    const until = new Date(this.world.clock.now().getTime() + CLAIM_MS);
    try {
      const isOurs = await this.database.tenant(organizationId, (tenant) =>
        repliesStore.hold(tenant, reply, until),
      );
      // Another is on it, since we were not heard of for too long.
      if (!isOurs) late.abort();
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'could not say that a reply is on its way');
    }
  }

  private async end(
    tenant: Tenant,
    { place, reply, stored, taken }: Try,
    outcome: SendOutcome,
  ): Promise<void> {
    const now = this.world.clock.now();
    const { system } = place;
    // In the order in which `begin` locks.
    await repliesStore.lock(tenant, place.id);
    if (outcome.outcome === 'later') {
      const until = new Date(now.getTime() + outcome.retryAfterSeconds * 1000);
      if (outcome.forAll) await this.block(tenant, place, until);
      if (!(await repliesStore.hold(tenant, reply, until, outcome.reason))) return;
      if (!isUrgent(stored.content)) await repliesStore.putOff(tenant, place.id, until);
      const { type } = stored.content;
      this.log.warn(
        { system, type, attempts: reply.attempts, reason: outcome.reason },
        'a reply is tried again',
      );
    } else {
      if (outcome.calls !== undefined)
        await this.giveBack(tenant, place, { at: taken.at, calls: taken.calls - outcome.calls });
      // Kept whoever ends the try: it is there.
      if (outcome.outcome === 'sent' && outcome.made)
        await repliesStore.keepMade(tenant, place.id, outcome.made);
      if (!(await repliesStore.end(tenant, reply, endingOf(outcome, now)))) return;
      await repliesStore.hasten(tenant, place.id, now);
      if (outcome.outcome === 'sent')
        tenant.metrics.observe(
          'berth_reply_delay_seconds',
          { system },
          (now.getTime() - reply.createdAt.getTime()) / 1000,
        );
    }
    tenant.metrics.count('berth_replies_total', { system, outcome: outcome.outcome });
  }

  private async block(tenant: Tenant, place: Place, until: Date): Promise<void> {
    const key = budgetKey(place.system, place.subject);
    const budget = await repliesStore.lockBudget(tenant, key);
    await repliesStore.keepBudget(tenant, key, blocked(budget, until));
  }

  private async giveBack(
    tenant: Tenant,
    place: Place,
    { at, calls }: { at: Date; calls: number },
  ): Promise<void> {
    if (calls <= 0) return;
    const key = budgetKey(place.system, place.subject);
    const budget = await repliesStore.lockBudget(tenant, key);
    const limits = systemLimits[place.system as ExternalSystem];
    await repliesStore.keepBudget(tenant, key, giveBack(budget, limits, at, calls));
  }

  private async giveUp(
    tenant: Tenant,
    { id, system }: Place,
    ids: string[],
    state: 'failed' | 'dropped',
    error: string,
  ): Promise<void> {
    const count = await repliesStore.giveUp(tenant, ids, { state, error });
    if (count === 0) return;
    tenant.metrics.count('berth_replies_total', { system, outcome: state }, count);
    if (state === 'failed')
      this.log.warn(
        { system, conversationId: id, count },
        'replies were given up: they could not be said in time',
      );
  }

  private laterFor({ attempts }: Try['reply'], reason: string): SendOutcome {
    const random = this.world.random(4).readUInt32BE() / 2 ** 32;
    return { outcome: 'later', retryAfterSeconds: pauseSeconds(attempts, random), reason };
  }
}

/** What may be said now: in a paused conversation that it is paused, and nothing else until that is over. */
function sayableIn({ state, pausedAt }: Place, waiting: WaitingReply[], now: Date): WaitingReply[] {
  // What is closed may be opened again, and then it is said if it is not too late.
  if (state === 'closed') return [];
  if (state !== 'paused' || isPauseOver(pausedAt, now)) return waiting;
  return waiting.filter(({ type }) => type === 'paused');
}

function endingOf(outcome: Exclude<SendOutcome, { outcome: 'later' }>, at: Date): Ending {
  if (outcome.outcome === 'dropped') return { state: 'dropped', error: outcome.reason, at };
  return {
    state: 'sent',
    error: null,
    at,
    ...(outcome.externalId ? { externalId: outcome.externalId } : {}),
  };
}
