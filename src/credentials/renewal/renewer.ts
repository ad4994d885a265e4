import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database, type Tenant } from '../../database/index.js';
import {
  BerthError,
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
import { TokenSources, type Renewal, type Renewed, type RenewalRequest } from '../providers/token-source.js';
import { Vault, type Sealed } from '../vault.js';
import { Claims, lost, STALE_SECONDS, type Claim } from './claims.js';
import { placeOf } from './place.js';
import { settlementOf } from './reaction.js';
import { Rejections } from './rejections.js';
import { Renewals } from './renewals.service.js';
import { rotationsStore, type Ending } from './rotations.store.js';
import { tokensStore, type TokenRef } from './tokens.store.js';

const BEAT_MS = 5_000;
const STOPPED = 'the process that was to renew it was stopped for long before it asked the provider';
/** So late a proxy has nothing more to say of a former generation. */
const LEASES_KEPT_MS = 3600 * 1000;
const [FIRST_STORE_RETRY_MS, MAX_STORE_RETRY_MS] = [100, 5_000];
/** Of one organization, in one transaction. */
const MOST_TOGETHER = 50;

/** Writes what came of a call, in a transaction that may write more. */
type Settling = (tenant: Tenant) => Promise<void>;

/**
 * Renews tokens: one row for one call. The row is committed before the provider is called; during the call there is no transaction and no lock; what comes back is stored by a compare-and-set of generation
 * and lineage in the transaction that ends the row, for as long as it takes.
 */
@Injectable()
export class Renewer implements OnApplicationShutdown {
  readonly #closing = new AbortController();
  readonly #settling = new GatheredTurns<Settling, true>(1, MOST_TOGETHER);
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

  onApplicationShutdown(): void {
    this.#closing.abort();
  }

  /** Renews this generation if the rows say that it is to be renewed, and nobody does. Safe at any time, any number of times, anywhere. */
  async renew(organizationId: string, ref: TokenRef, generation: number): Promise<void> {
    const claim = await this.claims.open(organizationId, ref, generation);
    if (!claim) return;
    crashPoint('renewal.opened');
    const again = await this.beating(claim, () => this.carryOut(claim));
    if (again) await this.renew(organizationId, ref, generation);
  }

  /** (b) to (f). True when the same is to be asked again at once. */
  private async carryOut(claim: Claim): Promise<boolean> {
    const before = performance.now();
    const request = await this.ready(claim);
    // Stopped for so long that it was given up: another may be calling.
    if (request === null) return false;
    if ('outcome' in request) return this.settle(claim, request, 0);
    crashPoint('renewal.calling');
    const begun = performance.now();
    if (this.hasAnotherAsked(claim, (begun - before) / 1000)) return this.settle(claim, failed(STOPPED), 0);
    const answer = await this.call(claim, request);
    crashPoint('renewal.answered');
    const seconds = (performance.now() - begun) / 1000;
    this.metrics.observe('berth_credential_renewal_duration_seconds', { kind: claim.token.kind }, seconds);
    return this.settle(claim, answer, seconds);
  }

  /**
   * True for a process that was stopped right before its call, for so long that it was given up, where the provider answers again for a while: then another has asked again, and whether this would
   * still be within that while nobody knows. Where it does not, nobody has asked, and the call is as good as ever.
   */
  private hasAnotherAsked({ token }: Claim, seconds: number): boolean {
    return seconds > STALE_SECONDS && this.claims.callFacts(token).graceSeconds > 0;
  }

  /** What the provider is given, when it is written that it is called now; null when that is not this process's to do. */
  private async ready(claim: Claim): Promise<RenewalRequest | Renewal | null> {
    try {
      const request = await this.requestOf(claim);
      return (await this.claims.call(claim)) ? request : null;
    } catch (error) {
      // Also where the commit may have been made and its answer lost: whatever is written, nobody has called, and that is to be written.
      this.log.warn({ reason: messageOf(error) }, 'a renewal could not be begun; it is tried again');
      return failed(error instanceof BerthError ? error.message : 'the database could not be reached');
    }
  }

  private async requestOf({ organizationId, token, sealed }: Claim): Promise<RenewalRequest> {
    const { credentialId, workspaceId } = token.ref;
    const place = placeOf(organizationId, { credentialId, workspaceId: null });
    const secret = JSON.parse(await this.vault.open(sealed, place)) as Record<string, string>;
    return { organizationId, workspaceId, secret, settings: token.settings };
  }

  private async call({ token }: Claim, request: RenewalRequest): Promise<Renewal> {
    try {
      return await this.sources.of(token.kind).renew(request);
    } catch (error) {
      // Ours, and not the provider's: how far it came nobody knows.
      this.log.error(
        { kind: token.kind, reason: messageOf(error) },
        'renewing a token failed inside of Berth',
      );
      return { outcome: 'unknown', reason: 'something went wrong in Berth; its log has the details' };
    }
  }

  private async settle(claim: Claim, answer: Renewal, ageSeconds: number): Promise<boolean> {
    const { token, unknownBefore } = claim;
    const call = { ...this.claims.callFacts(token), ageSeconds, unknownBefore };
    const settlement = settlementOf(answer.outcome, call);
    if (answer.outcome === 'renewed')
      await this.surely(claim, (tenant) => this.store(tenant, claim, answer.renewed, ageSeconds));
    else if (settlement === 'reject')
      await this.surely(claim, (tenant) => this.reject(tenant, claim, answer));
    else if (settlement === 'later')
      await this.surely(claim, (tenant) => this.postpone(tenant, claim, answer));
    else
      await this.surely(claim, (tenant) =>
        this.end(tenant, claim, { state: 'unknown', message: answer.reason }),
      );
    if (settlement === 'store') await this.tidy(claim);
    return settlement === 'again';
  }

  /** (c) */
  private async store(tenant: Tenant, claim: Claim, renewed: Renewed, seconds: number): Promise<void> {
    const { token } = claim;
    const at = this.world.clock.now();
    const { expiresAt, hint, account } = renewed;
    const stored = await tokensStore.store(tenant, token, {
      sealed: await this.seal(claim, renewed.secret),
      hint,
      settings: account ? { ...token.settings, account } : token.settings,
      expiresAt,
      renewAt: expiresAt && dueAt(at, expiresAt, this.chance()),
      at,
    });
    if (!stored) {
      tenant.afterCommit(() => this.discard(claim, renewed));
      await this.end(tenant, claim, { state: 'superseded', message: 'another came in between' });
      return;
    }
    const nextGeneration = token.generation + 1;
    if (serves(token, at))
      tenant.metrics.observe('berth_credential_saved_seconds', { kind: token.kind }, seconds);
    tenant.afterCommit(() => {
      crashPoint('renewal.stored');
      return Promise.resolve();
    });
    await this.end(tenant, claim, { state: 'succeeded', nextGeneration, message: null });
  }

  /** The secret is no part of it: that of a login serves on, whatever was made of it. */
  private async discard({ organizationId, token }: Claim, { secret }: Renewed): Promise<void> {
    const { ref, kind, settings } = token;
    const request = { organizationId, workspaceId: ref.workspaceId, secret: {}, settings };
    await this.sources.of(kind).unused?.(request, secret);
  }

  /** (d), and (f) where nothing else is left. */
  private async reject(
    tenant: Tenant,
    claim: Claim,
    answer: Exclude<Renewal, { outcome: 'renewed' }>,
  ): Promise<void> {
    const { outcome, reason } = answer;
    const message = outcome === 'unknown' ? lost(reason) : reason;
    const rejected = await this.rejections.reject(tenant, claim.token, message);
    const state = outcome === 'unknown' ? 'unknown' : 'rejected';
    await this.end(tenant, claim, { state: rejected ? state : 'superseded', message: reason });
  }

  /** (e) */
  private async postpone(
    tenant: Tenant,
    claim: Claim,
    answer: Exclude<Renewal, { outcome: 'renewed' }>,
  ): Promise<void> {
    const { token } = claim;
    const now = this.world.clock.now();
    const failures = token.failures + 1;
    const saidSeconds = answer.outcome === 'failed' ? answer.retryAfterSeconds : null;
    const { expiresAt } = token;
    const pause = { failures, urgent: !serves(token, now), saidSeconds, expiresAt };
    const retryAt = retryAfter(now, pause, this.chance());
    const failed = await tokensStore.fail(tenant, token, {
      failures,
      retryAt,
      reason: answer.reason,
      at: now,
    });
    await this.end(tenant, claim, { state: failed ? 'failed' : 'superseded', message: answer.reason });
  }

  /** Ends the row, in the transaction that says what came of it. */
  private async end(tenant: Tenant, { id, token }: Claim, ending: Omit<Ending, 'at'>): Promise<void> {
    await rotationsStore.end(tenant, id, { ...ending, at: this.world.clock.now() });
    tenant.metrics.count('berth_credential_renewals_total', { kind: token.kind, outcome: ending.state });
    await this.renewals.tellChanged(tenant, token.ref.credentialId);
  }

  /**
   * Writes what came of a call, for as long as this process lives: of a pair that is nowhere else, a database that is away must cost nothing but time. With others that are to be written at the
   * moment, once; where that fails, each alone: what is wrong with one is no matter of the others.
   */
  private async surely(claim: Claim, write: Settling): Promise<void> {
    const { organizationId, token } = claim;
    const { kind, ref } = token;
    const together = this.#settling.take(organizationId, write, (all) => this.writeAll(organizationId, all));
    if (await together.catch(() => undefined)) return;
    for (let waitMs = FIRST_STORE_RETRY_MS; ; waitMs = Math.min(MAX_STORE_RETRY_MS, waitMs * 2)) {
      try {
        await this.database.tenant(organizationId, write);
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

  private async writeAll(organizationId: string, all: Settling[]): Promise<Map<Settling, true>> {
    // Apart: it is shared, and no part of the transaction of whoever came first.
    await this.database.apart(organizationId, async (tenant) => {
      if (all.length > 1) await rotationsStore.waitBriefly(tenant);
      for (const write of all) await write(tenant);
    });
    return new Map(all.map((write) => [write, true]));
  }

  /** Each generation leaves a lease per workspace behind, and nobody else would remove it. The next renewal does what this one cannot. */
  private async tidy({ organizationId, token }: Claim): Promise<void> {
    const before = new Date(this.world.clock.now().getTime() - LEASES_KEPT_MS);
    try {
      await this.#tidying.take(organizationId, token.ref.credentialId, async (ids) => {
        await this.database.apart(organizationId, (tenant) => leasesStore.tidy(tenant, ids, before));
        return new Map();
      });
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'former leases of a token could not be removed');
    }
  }

  private seal({ organizationId, token }: Claim, secret: Record<string, string>): Promise<Sealed> {
    return this.vault.seal(secretText(secret).reveal(), placeOf(organizationId, token.ref));
  }

  /** Says every few seconds that this process lives. Beats that are lost are made good by the next. */
  private async beating<T>(claim: Claim, work: () => Promise<T>): Promise<T> {
    const beat = setInterval(() => {
      this.claims
        .beat(claim)
        .catch((error: unknown) =>
          this.log.warn({ reason: messageOf(error) }, 'a renewal under way could not say that it lives'),
        );
    }, BEAT_MS);
    try {
      return await work();
    } finally {
      clearInterval(beat);
    }
  }

  private chance(): number {
    return this.world.random(4).readUInt32BE() / 2 ** 32;
  }
}

function failed(reason: string): Renewal {
  return { outcome: 'failed', reason, retryAfterSeconds: null };
}
