import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../../database/index.js';
import {
  BerthError,
  crashPoint,
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
import { deliveriesStore, type ClaimedDelivery } from './deliveries.store.js';
import { afterFailure, CLAIM_SECONDS, type Handled } from './delivery.js';

/** Longer than this no reason is kept. */
const MAX_ERROR_CHARACTERS = 500;

/** Handles deliveries, one attempt per job, in processes that work. */
@Injectable()
export class DeliveryJobs {
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
    const claim = this.world.ids.next();
    const delivery = await this.claim(organizationId, id, claim);
    if (!delivery) return;
    crashPoint('delivery.claimed');
    let handled: Handled;
    try {
      handled = await this.attempt(organizationId, delivery);
    } catch (error) {
      await this.giveBack(organizationId, delivery, claim, error);
      return;
    }
    const at = this.world.clock.now();
    const isOurs = await this.database.tenant(organizationId, (tenant) =>
      deliveriesStore.finish(tenant, { id, claim, at }, handled),
    );
    if (!isOurs) return;
    this.log.info(
      { deliveryId: id, system: delivery.system, event: delivery.event, outcome: handled.outcome },
      'a delivery was handled',
    );
    this.told(delivery, handled.outcome);
  }

  private async claim(organizationId: string, id: string, claim: string): Promise<ClaimedDelivery | null> {
    const at = this.world.clock.now();
    const freeBefore = new Date(at.getTime() - CLAIM_SECONDS * 1000);
    return this.database.tenant(organizationId, async (tenant) => {
      const claimed = await deliveriesStore.claim(tenant, id, { claim, at, freeBefore });
      if (claimed) return claimed;
      const found = await deliveriesStore.find(tenant, id);
      // Another has it, or had it when it died: this job asks again, and not only the sweep.
      if (found?.state === 'processing')
        throw new BerthError('not-ready', 'This delivery is being handled.', {
          retryAfterSeconds: CLAIM_SECONDS,
        });
      return null;
    });
  }

  private attempt(organizationId: string, delivery: ClaimedDelivery): Promise<Handled> {
    const { id, system, deliveryId, event, action, body } = delivery;
    const handler = this.deliveries.handlerOf(system);
    if (!handler) throw new BerthError('internal', `Nobody handles deliveries of ${system}.`);
    if (body === null)
      throw new BerthError('operation-not-possible', 'What was delivered is not kept any more.');
    return handler({ organizationId, id, deliveryId, event, action, body: JSON.parse(body) as unknown });
  }

  private async giveBack(
    organizationId: string,
    delivery: ClaimedDelivery,
    claim: string,
    error: unknown,
  ): Promise<void> {
    const { id, system, event } = delivery;
    const at = this.world.clock.now();
    const state = afterFailure(error, delivery.receivedAt, at);
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
