import { Inject, Injectable } from '@nestjs/common';
import {
  BerthError,
  crashPoint,
  LOG,
  messageOf,
  METRICS,
  type Log,
  type Metrics,
} from '../../kernel/index.js';
import { TokenSources, type Renewal, type RenewalRequest } from '../providers/token-source.js';
import { Vault } from '../vault.js';
import { Claims, STALE_SECONDS, type Claim } from './claims.js';
import { placeOf } from './place.js';
import { Settlements } from './settlements.js';
import type { TokenRef } from './tokens.store.js';

const BEAT_MS = 5_000;
const STOPPED = 'the process that was to renew it was stopped for long before it asked the provider';

/**
 * Renews tokens: one row for one call. The row is committed before the provider is called; during the call there is no transaction and no lock; what comes back is
 * settled (`Settlements`), for as long as it takes.
 */
@Injectable()
export class Renewer {
  constructor(
    private readonly claims: Claims,
    private readonly sources: TokenSources,
    private readonly vault: Vault,
    private readonly settlements: Settlements,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  /** Renews this generation if the rows say that it is to be renewed, and nobody does. Safe at any time, any number of times, anywhere. */
  async renew(organizationId: string, ref: TokenRef, generation: number): Promise<void> {
    const claim = await this.claims.open(organizationId, ref, generation);
    if (!claim) return;
    crashPoint('renewal.opened');
    const again = await this.beating(claim, () => this.carryOut(claim));
    if (again) await this.renew(organizationId, ref, generation);
  }

  /** (b), and what follows. True when the same is to be asked again at once. */
  private async carryOut(claim: Claim): Promise<boolean> {
    const before = performance.now();
    const request = await this.ready(claim);
    // Stopped for so long that it was given up: another may be calling.
    if (request === null) return false;
    if ('outcome' in request) return this.settlements.settle(claim, request, 0);
    crashPoint('renewal.calling');
    const begun = performance.now();
    if (this.hasAnotherAsked(claim, (begun - before) / 1000))
      return this.settlements.settle(claim, failed(STOPPED), 0);
    const answer = await this.call(claim, request);
    crashPoint('renewal.answered');
    const seconds = (performance.now() - begun) / 1000;
    this.metrics.observe('berth_credential_renewal_duration_seconds', { kind: claim.token.kind }, seconds);
    return this.settlements.settle(claim, answer, seconds);
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
}

function failed(reason: string): Renewal {
  return { outcome: 'failed', reason, retryAfterSeconds: null };
}
