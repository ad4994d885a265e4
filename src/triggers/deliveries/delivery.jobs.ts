import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../../database/index.js';
import {
  BerthError,
  crashPoint,
  GatheredLooks,
  LOG,
  messageOf,
  METRICS,
  World,
  type Log,
  type Metrics,
} from '../../kernel/index.js';
import { JobHandlers } from '../../queue/index.js';
import { Sweep } from '../../workspaces/index.js';
import { Deliveries } from './deliveries.service.js';
import { deliveriesStore, type Attempt, type ClaimedDelivery } from './deliveries.store.js';
import { afterFailure, CLAIM_SECONDS, type Handled } from './delivery.js';

/** Longer than this no reason is kept. */
const MAX_ERROR_CHARACTERS = 500;

/** Handles deliveries, one attempt per job, in processes that work. A crowd of jobs takes its deliveries together, and says together what became of them: most are of no concern, and cost little else. */
@Injectable()
export class DeliveryJobs {
  readonly #claims = new GatheredLooks<ClaimedDelivery | 'under-way', Attempt>();
  readonly #ends = new GatheredLooks<true, Attempt & Handled>();

  constructor(
    private readonly database: Database,
    private readonly deliveries: Deliveries,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
    handlers: JobHandlers,
    sweep: Sweep,
  ) {
    handlers.add('delivery.handle', ({ organizationId, deliveryId }) =>
      this.handle(organizationId, deliveryId),
    );
    sweep.also(() => deliveries.askForAll());
  }

  /** One attempt. Throws when another is to follow. */
  async handle(organizationId: string, id: string): Promise<void> {
    const delivery = await this.claim(organizationId, { id, claim: this.world.ids.next() });
    if (!delivery) return;
    crashPoint('delivery.claimed');
    let handled: Handled;
    try {
      handled = await this.attempt(organizationId, delivery);
    } catch (error) {
      await this.giveBack(organizationId, delivery, error);
      return;
    }
    if (!(await this.finish(organizationId, delivery, handled))) return;
    this.log.info(
      { deliveryId: id, system: delivery.system, event: delivery.event, outcome: handled.outcome },
      'a delivery was handled',
    );
    this.told(delivery, handled.outcome);
  }

  private async claim(organizationId: string, attempt: Attempt): Promise<ClaimedDelivery | null> {
    const found = await this.#claims.take(organizationId, attempt, (all) =>
      this.claimAll(organizationId, all),
    );
    // Another has it, or had it when it died: this job asks again, and not only the sweep.
    if (found === 'under-way')
      throw new BerthError('not-ready', 'This delivery is being handled.', {
        retryAfterSeconds: CLAIM_SECONDS,
      });
    return found ?? null;
  }

  private claimAll(
    organizationId: string,
    attempts: Attempt[],
  ): Promise<Map<Attempt, ClaimedDelivery | 'under-way'>> {
    const at = this.world.clock.now();
    const freeBefore = new Date(at.getTime() - CLAIM_SECONDS * 1000);
    return this.database.tenant(organizationId, async (tenant) => {
      const claimed = await deliveriesStore.claim(tenant, attempts, { at, freeBefore });
      const byClaim = new Map(claimed.map((delivery) => [delivery.claim, delivery]));
      const others = attempts.filter(({ claim }) => !byClaim.has(claim));
      const underWay = new Set(
        others.length > 0
          ? await deliveriesStore.underWay(
              tenant,
              others.map(({ id }) => id),
            )
          : [],
      );
      return new Map(
        attempts.flatMap((attempt) => {
          const found = byClaim.get(attempt.claim) ?? (underWay.has(attempt.id) ? 'under-way' : null);
          return found ? [[attempt, found] as const] : [];
        }),
      );
    });
  }

  /** False: it is another's by now. */
  private async finish(
    organizationId: string,
    { id, claim }: Attempt,
    { outcome, workspaceId }: Handled,
  ): Promise<boolean> {
    const end = { id, claim, outcome, ...(workspaceId === undefined ? {} : { workspaceId }) };
    const isOurs = await this.#ends.take(organizationId, end, (all) =>
      this.database.tenant(organizationId, async (tenant) => {
        const claims = new Set(await deliveriesStore.finish(tenant, all, this.world.clock.now()));
        return new Map(all.filter((each) => claims.has(each.claim)).map((each) => [each, true]));
      }),
    );
    return isOurs === true;
  }

  private attempt(organizationId: string, delivery: ClaimedDelivery): Promise<Handled> {
    const { id, system, deliveryId, event, action, body } = delivery;
    const handler = this.deliveries.handlerOf(system);
    if (!handler) throw new BerthError('internal', `Nobody handles deliveries of ${system}.`);
    if (body === null)
      throw new BerthError('operation-not-possible', 'What was delivered is not kept any more.');
    return handler({ organizationId, id, deliveryId, event, action, body: JSON.parse(body) as unknown });
  }

  private async giveBack(organizationId: string, delivery: ClaimedDelivery, error: unknown): Promise<void> {
    const { id, claim, system, event } = delivery;
    const at = this.world.clock.now();
    const state = afterFailure(error, delivery.reopenedAt ?? delivery.receivedAt, at);
    await this.database.tenant(organizationId, (tenant) =>
      deliveriesStore.giveBack(tenant, { id, claim, at }, state, sentenceOf(error)),
    );
    this.log.warn(
      { deliveryId: id, system, event, state, reason: messageOf(error) },
      'a delivery could not be handled',
    );
    if (state === 'received') throw error;
    this.told(delivery, 'failed');
  }

  private told({ system, receivedAt }: ClaimedDelivery, outcome: string): void {
    this.metrics.count('berth_deliveries_handled_total', { system, outcome });
    const seconds = (this.world.clock.now().getTime() - receivedAt.getTime()) / 1000;
    this.metrics.observe('berth_delivery_duration_seconds', { system }, Math.max(0, seconds));
  }
}

/** What every member may read: our own sentences. What others say may hold anything, and stays in the log. */
function sentenceOf(error: unknown): string {
  const sentence =
    error instanceof BerthError && error.code !== 'internal'
      ? error.message
      : 'Something went wrong on our side; the log has the cause.';
  return sentence.slice(0, MAX_ERROR_CHARACTERS);
}
