import { Inject, Injectable } from '@nestjs/common';
import type { Lease } from '../contracts/index.js';
import { currentCause, METRICS, type BerthError, type Metrics } from '../kernel/index.js';
import { Booking, notReady, type LeaseTerms } from './booking.js';
import { Choosing, type Choice } from './choosing.js';
import { kinds } from './kinds.js';
import { Renewals } from './renewal/renewals.service.js';
import type { ServedMember } from './served.js';

/** How long a lease waits for a token to be renewed; then it is to be asked for again. */
const WAIT_MS = 20_000;

/** Lends who was chosen, and waits where its token is to be renewed first. */
@Injectable()
export class Leasing {
  constructor(
    private readonly choosing: Choosing,
    private readonly booking: Booking,
    private readonly renewals: Renewals,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  /** See `CredentialsService.lease`. */
  async lease(member: ServedMember, subjectId: string, terms: LeaseTerms): Promise<Lease> {
    const begun = performance.now();
    for (let hasWaited = false; ;) {
      const choice = await this.choosing.choose(member, subjectId);
      const waited = performance.now() - begun;
      if (!this.choosing.mustWait(choice)) {
        const lease = await this.booking.take({ member, subjectId, choice, terms, cause: currentCause() });
        if (!lease && waited > WAIT_MS) throw notReady('It is held elsewhere, or Berth is busy. Ask again.');
        if (!lease) continue;
        if (hasWaited)
          this.metrics.observe('berth_credential_wait_seconds', { outcome: 'served' }, waited / 1000);
        return lease;
      }
      hasWaited = true;
      if (!(await this.waitFor(member, choice, WAIT_MS - waited))) {
        this.metrics.observe(
          'berth_credential_wait_seconds',
          { outcome: 'late' },
          (performance.now() - begun) / 1000,
        );
        throw beingRenewed(choice);
      }
    }
  }

  private async waitFor({ organizationId }: ServedMember, choice: Choice, leftMs: number): Promise<boolean> {
    const { token, isLastHope } = choice;
    if (!token || leftMs <= 0) return false;
    return this.renewals.answered(organizationId, token, isLastHope, leftMs);
  }
}

function beingRenewed({ candidate: { kind } }: Choice): BerthError {
  return notReady(
    `The ${kinds[kind].title} is being renewed, and its provider has not answered yet. Ask again.`,
  );
}
