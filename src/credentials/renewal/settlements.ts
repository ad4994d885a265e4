import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database, type Tenant } from '../../database/index.js';
import {
  Aside,
  crashPoint,
  GatheredTurns,
  LOG,
  messageOf,
  METRICS,
  World,
  type Log,
  type Metrics,
} from '../../kernel/index.js';
import { dueAt, retryAfter, serves } from '../../oauth/index.js';
import { secretText } from '../kinds.js';
import { leasesStore } from '../leases.store.js';
import { TokenSources, type Renewal } from '../providers/token-source.js';
import { Vault } from '../vault.js';
import { Claims, lost, type Claim } from './claims.js';
import { newTokensStore, type NewToken } from './new-tokens.store.js';
import { placeOf } from './place.js';
import { settlementOf } from './reaction.js';
import { Rejections } from './rejections.js';
import { Renewals } from './renewals.service.js';
import { rotationsStore, type Ending } from './rotations.store.js';
import { nameOf, tokensStore } from './tokens.store.js';

/** So late a proxy has nothing more to say of a former generation. */
const LEASES_KEPT_MS = 3600 * 1000;
/** So long people may look up what became of a login; the tokens of workspaces are renewed every few minutes. */
const ROTATIONS_KEPT_MS = 90 * 24 * 3600 * 1000;
/** Of so many generations, one: what each leaves is little, and those who wait for the new token want the machine. */
const TIDIED_EVERY = 8;
const [FIRST_STORE_RETRY_MS, MAX_STORE_RETRY_MS] = [100, 5_000];
/** Of one organization, in one transaction. */
const MOST_TOGETHER = 50;

/** A call that is over, and what came of it. */
interface Answered<Answer extends Renewal = Renewal> {
  claim: Claim;
  answer: Answer;
  /** What the call took. */
  seconds: number;
}

type WithTokens = Answered<Extract<Renewal, { outcome: 'renewed' }>>;
type WithReason = Answered<Exclude<Renewal, { outcome: 'renewed' }>>;

/** How the row of a renewal ends. */
type End = Pick<Ending, 'state' | 'nextGeneration' | 'message'>;

/**
 * Writes what came of calls: new tokens by a compare-and-set of generation and lineage, in the transaction that ends the row of the renewal. Where many logins were renewed together, that is one
 * transaction of few statements.
 */
@Injectable()
export class Settlements implements OnApplicationShutdown {
  readonly #closing = new AbortController();
  readonly #discarding = new Aside();
  readonly #writing = new GatheredTurns<Answered, true>(1, MOST_TOGETHER);
  readonly #tidying = new GatheredTurns<string, true>(1, MOST_TOGETHER);

  constructor(
    private readonly database: Database,
    private readonly claims: Claims,
    private readonly sources: TokenSources,
    private readonly vault: Vault,
    private readonly renewals: Renewals,
    private readonly rejections: Rejections,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  onApplicationShutdown(): Promise<void> {
    this.#closing.abort();
    return this.#discarding.over();
  }

  /** (c) to (f). True when the same is to be asked again at once. */
  async settle(claim: Claim, answer: Renewal, seconds: number): Promise<boolean> {
    const answered = { claim, answer, seconds };
    await this.surely(answered);
    if (answer.outcome === 'renewed' && claim.token.generation % TIDIED_EVERY === 1) await this.tidy(claim);
    return this.settlementOf(answered) === 'again';
  }

  /**
   * Writes what came of a call, for as long as this process lives: of a pair that is nowhere else, a database that is away must cost nothing but time. With others that are to be written at the
   * moment, once; where that fails, each alone: what is wrong with one is no matter of the others.
   */
  private async surely(answered: Answered): Promise<void> {
    const { organizationId, token } = answered.claim;
    const { kind, ref } = token;
    const together = this.#writing.take(organizationId, answered, (all) =>
      this.writeTogether(organizationId, all),
    );
    if (await together.catch(() => undefined)) return;
    for (let waitMs = FIRST_STORE_RETRY_MS; ; waitMs = Math.min(MAX_STORE_RETRY_MS, waitMs * 2)) {
      try {
        await this.database.tenant(organizationId, (tenant) => this.write(tenant, [answered]));
        return;
      } catch (error) {
        if (this.#closing.signal.aborted) throw error;
        this.metrics.count('berth_credential_store_retries_total', { kind });
        this.log.error(
          { credentialId: ref.credentialId, kind, reason: messageOf(error) },
          'what a provider answered could not be stored; it is kept in memory and tried again: do not end this process',
        );
        await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }

  private async writeTogether(organizationId: string, all: Answered[]): Promise<Map<Answered, true>> {
    // Apart: it is shared, and no part of the transaction of whoever came first.
    await this.database.apart(organizationId, async (tenant) => {
      if (all.length > 1) await rotationsStore.waitBriefly(tenant);
      await this.write(tenant, all);
    });
    return new Map(all.map((answered) => [answered, true]));
  }

  /** What came of each call, and the end of its row. */
  private async write(tenant: Tenant, all: Answered[]): Promise<void> {
    const ends = new Map<Answered, End>(await this.store(tenant, all.filter(hasTokens)));
    for (const answered of all.filter(hasReason)) ends.set(answered, await this.refuse(tenant, answered));
    const at = this.world.clock.now();
    await rotationsStore.end(
      tenant,
      [...ends].map(([{ claim }, end]) => ({ id: claim.id, ...end, at })),
    );
    for (const [{ claim }, { state }] of ends)
      tenant.metrics.count('berth_credential_renewals_total', { kind: claim.token.kind, outcome: state });
    await this.renewals.tellChanged(tenant, ...all.map(({ claim }) => claim.token.ref.credentialId));
  }

  /** (c) */
  private async store(tenant: Tenant, all: WithTokens[]): Promise<Map<WithTokens, End>> {
    const at = this.world.clock.now();
    const stored = await newTokensStore.save(
      tenant,
      await Promise.all(all.map((answered) => this.newToken(answered, at))),
    );
    const overtaken = all.filter(({ claim: { token } }) => !stored.has(nameOf(token.ref)));
    const states = await rotationsStore.states(
      tenant,
      overtaken.map(({ claim }) => claim.id),
    );
    const ends = new Map<WithTokens, End>();
    for (const answered of all) {
      const { id, token } = answered.claim;
      // Stored by an earlier try whose commit was made and its answer lost: it is the one that serves, and must not be ended.
      const isStored = stored.has(nameOf(token.ref)) || states.get(id) === 'succeeded';
      if (!isStored) {
        this.discardAfter(tenant, answered);
        ends.set(answered, { state: 'superseded', message: 'another came in between' });
        continue;
      }
      if (serves(token, at))
        tenant.metrics.observe('berth_credential_saved_seconds', { kind: token.kind }, answered.seconds);
      ends.set(answered, { state: 'succeeded', nextGeneration: token.generation + 1, message: null });
    }
    tenant.afterCommit(() => {
      if (stored.size > 0) crashPoint('renewal.stored');
      return Promise.resolve();
    });
    return ends;
  }

  private async newToken({ claim, answer: { renewed } }: WithTokens, at: Date): Promise<NewToken> {
    const { organizationId, token } = claim;
    const { expiresAt, hint, account, secret } = renewed;
    return {
      version: token,
      sealed: await this.vault.seal(secretText(secret).reveal(), placeOf(organizationId, token.ref)),
      hint,
      account: account ?? null,
      expiresAt,
      renewAt: expiresAt && dueAt(at, expiresAt, this.chance()),
      at,
    };
  }

  /** Aside: the pairs of others wait to be stored. The secret is no part of it: that of a login serves on, whatever was made of it. */
  private discardAfter(tenant: Tenant, { claim: { organizationId, token }, answer }: WithTokens): void {
    const { ref, kind, settings } = token;
    const request = { organizationId, workspaceId: ref.workspaceId, secret: {}, settings };
    const source = this.sources.of(kind);
    tenant.afterCommit(() => {
      this.#discarding.begin(async () => source.unused?.(request, answer.renewed.secret));
      return Promise.resolve();
    });
  }

  private refuse(tenant: Tenant, answered: WithReason): Promise<End> {
    switch (this.settlementOf(answered)) {
      case 'reject':
        return this.reject(tenant, answered);
      case 'later':
        return this.postpone(tenant, answered);
      default:
        return Promise.resolve({ state: 'unknown', message: answered.answer.reason });
    }
  }

  /** (d), and (f) where nothing else is left. */
  private async reject(tenant: Tenant, { claim, answer }: WithReason): Promise<End> {
    const { outcome, reason } = answer;
    const message = outcome === 'unknown' ? lost(reason) : reason;
    const state = outcome === 'unknown' ? 'unknown' : 'rejected';
    const rejected = await this.rejections.reject(tenant, claim.token, message);
    // Rejected by an earlier try whose commit was made and its answer lost: it stays what it is.
    const isEnded = rejected || (await rotationsStore.states(tenant, [claim.id])).get(claim.id) === state;
    return { state: isEnded ? state : 'superseded', message: reason };
  }

  /** (e) */
  private async postpone(tenant: Tenant, { claim: { token }, answer }: WithReason): Promise<End> {
    const now = this.world.clock.now();
    const failures = token.failures + 1;
    const saidSeconds = answer.outcome === 'failed' ? answer.retryAfterSeconds : null;
    const { expiresAt } = token;
    const pause = { failures, urgent: !serves(token, now), saidSeconds, expiresAt };
    const retryAt = retryAfter(now, pause, this.chance());
    const { reason } = answer;
    const failed = await tokensStore.fail(tenant, token, { failures, retryAt, reason, at: now });
    return { state: failed ? 'failed' : 'superseded', message: reason };
  }

  private settlementOf({ claim: { token, unknownBefore }, answer, seconds }: Answered) {
    return settlementOf(answer.outcome, {
      ...this.claims.callFacts(token),
      ageSeconds: seconds,
      unknownBefore,
    });
  }

  /** Each generation leaves a lease per workspace behind, and each renewal a row; nobody else would remove them. A later renewal does what this one cannot. */
  private async tidy({ organizationId, token }: Claim): Promise<void> {
    const ago = (milliseconds: number): Date => new Date(this.world.clock.now().getTime() - milliseconds);
    try {
      await this.#tidying.take(organizationId, token.ref.credentialId, async (ids) => {
        await this.database.apart(organizationId, async (tenant) => {
          await leasesStore.tidy(tenant, ids, ago(LEASES_KEPT_MS));
          await rotationsStore.forget(tenant, ids, ago(ROTATIONS_KEPT_MS));
        });
        return new Map();
      });
    } catch (error) {
      this.log.warn(
        { reason: messageOf(error) },
        'former leases and renewals of a token could not be removed',
      );
    }
  }

  private chance(): number {
    return this.world.random(4).readUInt32BE() / 2 ** 32;
  }
}

function hasTokens(answered: Answered): answered is WithTokens {
  return answered.answer.outcome === 'renewed';
}

function hasReason(answered: Answered): answered is WithReason {
  return answered.answer.outcome !== 'renewed';
}
