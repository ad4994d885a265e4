import { Inject, Injectable } from '@nestjs/common';
import type { DeliveryView, ExternalSystem, PageQuery } from '../../contracts/index.js';
import {
  Database,
  SystemStore,
  type DeliveryTenant,
  type Standing,
  type Tenant,
} from '../../database/index.js';
import { pageOf, sliceOf, type Page } from '../../http/index.js';
import type { Actor } from '../../identity/index.js';
import { crashPoint, LOG, messageOf, METRICS, World, type Log, type Metrics } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import { deliveriesStore } from './deliveries.store.js';
import { LOST_SECONDS, STALE_SECONDS, type Handled } from './delivery.js';
import { deliveryView } from './view.js';

/** What another system sent, once it is proven to be from there. */
export interface Received {
  system: ExternalSystem;
  /** As the other system names it; a redelivery has the same. */
  deliveryId: string;
  event: string;
  action: string | null;
  /** By what it says whose it is; null: it is of no tenant. */
  tenantKey: DeliveryTenant | null;
  /** The JSON text that was signed. */
  body: string;
  /** Signed well, and long ago: it is noted and not worked on, and what may have been missed is looked for. */
  isLate?: boolean;
  /** Why nothing is to be done about it, where that is known by what it says alone. Then it is done as it comes, and no job asks for more. */
  outcome?: string | null;
}

/** A delivery as its system's handler gets it. */
export interface DeliveryToHandle {
  organizationId: string;
  id: string;
  deliveryId: string;
  event: string;
  action: string | null;
  body: unknown;
}

/** Throws a BerthError with `retryAfterSeconds` for what may pass, and is asked again; whatever else it throws ends the delivery as failed. */
export type DeliveryHandler = (delivery: DeliveryToHandle) => Promise<Handled>;
/** Looks for what was missed at a system. */
export type LateHook = (organizationId: string) => Promise<void>;

const PAGE = 500;

/** What other systems tell: each delivery is a row first, then a job. */
@Injectable()
export class Deliveries {
  readonly #handlers = new Map<ExternalSystem, DeliveryHandler>();
  readonly #late = new Map<ExternalSystem, LateHook>();

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly queue: JobQueue,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {
    metrics.watch('berth_deliveries_waiting', async () => [
      { labels: {}, value: (await system.deliveries.waiting()).count },
    ]);
    metrics.watch('berth_delivery_oldest_seconds', async () => {
      const { oldest } = await system.deliveries.waiting();
      const age = oldest ? (world.clock.now().getTime() - oldest.getTime()) / 1000 : 0;
      return [{ labels: {}, value: Math.max(0, age) }];
    });
  }

  /**
   * Stores a delivery and has it handled. `again`: it was here before, and nothing is done, or it is at work already. What failed is tried again. Answered when the row is there and its job is
   * asked for: no handler is waited for.
   */
  async receive(received: Received): Promise<'new' | 'again'> {
    const { system, deliveryId, event, action, tenantKey, outcome = null, isLate = false } = received;
    const stored = await this.system.deliveries.receive({
      id: this.world.ids.next(),
      ...{
        system,
        deliveryId,
        event,
        action,
        tenant: tenantKey,
        known: standingOf(received),
        unknown: NOBODYS,
      },
      receivedAt: this.world.clock.now(),
    });
    crashPoint('delivery.stored');
    const { tenantId, organizationId } = stored;
    this.metrics.count('berth_deliveries_received_total', {
      system,
      as: isLate ? 'late' : tenantId === null ? 'unknown-tenant' : stored.isNew ? 'new' : 'again',
    });
    // One that waits already is asked for once more: its job may have been lost, and an equal one adds nothing.
    if (organizationId && stored.state === 'received') {
      await this.handleSoon(organizationId, stored.id);
      crashPoint('delivery.enqueued');
    }
    if (stored.isNew && outcome !== null)
      this.metrics.count('berth_deliveries_handled_total', { system, outcome });
    if (isLate && tenantId) await this.lookForMissed(system, tenantId);
    return stored.isNew ? 'new' : 'again';
  }

  /** What handles the deliveries of a system; the last one that is named. */
  handledBy(system: ExternalSystem, handler: DeliveryHandler): void {
    this.#handlers.set(system, handler);
  }

  handlerOf(system: ExternalSystem): DeliveryHandler | undefined {
    return this.#handlers.get(system);
  }

  /** What looks for missed deliveries when one comes late. */
  whenLate(system: ExternalSystem, hook: LateHook): void {
    this.#late.set(system, hook);
  }

  /** Has handled deliveries handled once more, after the commit of the caller's transaction: what they waited for has come. */
  async again(tenant: Tenant, ids: string[]): Promise<void> {
    for (const id of await deliveriesStore.reopen(tenant, ids, this.world.clock.now()))
      tenant.afterCommit(() => this.handleSoon(tenant.organizationId, id));
  }

  /** Of these, as their system names them, those that came: whatever their system thinks. */
  async known(system: ExternalSystem, deliveryIds: string[]): Promise<Set<string>> {
    return new Set(await this.system.deliveries.known(system, deliveryIds));
  }

  /** For the sweep: those whose job was lost, and those that rest between two attempts. */
  async askForAll(): Promise<void> {
    const now = this.world.clock.now();
    const before = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);
    const lost = { now, lostBefore: before(LOST_SECONDS), staleBefore: before(STALE_SECONDS) };
    for (const { organizationId, id } of await this.system.deliveries.open(lost, PAGE))
      await this.handleSoon(organizationId, id);
  }

  /** Every member sees what came and what became of it; nobody what was delivered. */
  list(actor: Actor, query: PageQuery): Promise<Page<DeliveryView>> {
    const slice = sliceOf(query);
    return this.database.tenant(actor.organizationId, async (tenant) =>
      pageOf(await deliveriesStore.list(tenant, slice), slice, deliveryView),
    );
  }

  /** It never fails: the row is there, and who is answered with an error would deliver it again. */
  private async handleSoon(organizationId: string, deliveryId: string): Promise<void> {
    try {
      await this.queue.add('delivery.handle', { organizationId, deliveryId });
    } catch (error) {
      this.log.warn(
        { deliveryId, reason: messageOf(error) },
        'no worker could be woken; the sweep will find it',
      );
    }
  }

  private async lookForMissed(system: ExternalSystem, organizationId: string): Promise<void> {
    try {
      await this.#late.get(system)?.(organizationId);
    } catch (error) {
      this.log.warn(
        { system, reason: messageOf(error) },
        'could not ask for what was missed; the sweep will',
      );
    }
  }
}

/** What is nobody's here is none of our business to keep. */
const NOBODYS = { state: 'processed', outcome: 'ignored-unknown-tenant' } as const;

/** How a delivery begins that is somebody's. A late one counts as failed, so that the same in time is worked on. What needs nothing is not kept: nobody will read it. */
function standingOf({ isLate = false, outcome = null, body }: Received): Standing {
  if (isLate) return { state: 'failed', outcome: 'late', body: null };
  return outcome === null
    ? { state: 'received', outcome: null, body }
    : { state: 'processed', outcome, body: null };
}
