import type { ExternalSystem } from '../contracts/index.js';
import { Gathering } from '../kernel/index.js';
import { Prisma, type PrismaClient } from './generated/client.js';

/** By what a delivery says whose it is. */
export type DeliveryTenant = { installationId: string } | { linearOrganizationId: string };

/** A delivery as it is stored first. */
export interface NewDelivery {
  id: string;
  organizationId: string | null;
  system: ExternalSystem;
  deliveryId: string;
  event: string;
  action: string | null;
  state: 'received' | 'processed' | 'failed';
  outcome: string | null;
  body: string | null;
  receivedAt: Date;
}

/** What of a delivery is known to be there: the one that was stored, or the one that was there before. */
export interface StoredDelivery {
  id: string;
  organizationId: string | null;
  state: string;
  /** It waits to be handled because of this call: it was not there, or had failed. */
  isNew: boolean;
}

/** An organization, the Linear organization it is tied to, and who Berth is there. */
export interface LinearTie {
  organizationId: string;
  linearOrganizationId: string;
  appUserId: string;
}

/** A delivery on its way into the rows, and whether it was added. */
interface Arrival {
  delivery: NewDelivery;
  isNew: boolean;
}

/** A delivery that somebody should look at, by its ids alone. */
export interface OpenDelivery {
  id: string;
  organizationId: string;
}

/** Deliveries of all organizations, while it is not known whose they are, and as the sweep finds them. What was delivered is written here and never read. */
export class DeliveriesStore {
  readonly #client: PrismaClient;
  /** They come in crowds, and each is answered when its row is committed: those that come while a write is under way share the next. */
  readonly #arrivals = new Gathering<Arrival>((arrivals) => this.#add(arrivals));

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Whose installation, or whose Linear organization, it is; null: nobody's here. */
  async organizationOf(tenant: DeliveryTenant): Promise<string | null> {
    const select = { organizationId: true };
    const found =
      'installationId' in tenant
        ? await this.#client.githubInstallation.findFirst({ where: tenant, select })
        : await this.#client.linearConnection.findFirst({ where: tenant, select });
    return found?.organizationId ?? null;
  }

  /**
   * Stores a delivery once. One that is there already is left as it is, unless it has failed: then it waits again, with what was delivered now. Each step is one statement that matches
   * for one of many at once.
   */
  async receive(delivery: NewDelivery): Promise<StoredDelivery> {
    const { id, organizationId, system, deliveryId, state, body } = delivery;
    const arrival: Arrival = { delivery, isNew: false };
    await this.#arrivals.add(arrival);
    if (arrival.isNew) return { id, organizationId, state, isNew: state === 'received' };
    // What failed is tried again. Only for whom it came first: a tenant does not change between two deliveries of the same.
    const [again] =
      state === 'received'
        ? await this.#client.$queryRaw<{ id: string; organizationId: string }[]>`
            update delivery set state = 'received', outcome = null, body = ${body}, claim = null, claimed_at = null, error = null, finished_at = null
             where system = ${system} and delivery_id = ${deliveryId} and state = 'failed' and organization_id = ${organizationId}::uuid
            returning id, organization_id as "organizationId"`
        : [];
    if (again) return { ...again, state: 'received', isNew: true };
    const { id: knownId, ...known } = await this.#client.delivery.findUniqueOrThrow({
      where: { system_deliveryId: { system, deliveryId } },
      select: { id: true, organizationId: true, state: true },
    });
    return { id: knownId, ...known, isNew: false };
  }

  /**
   * Those that nobody seems to work at: received before `lostBefore`, or claimed before `staleBefore`; one that was tried and not finished rests for longer each time, up to an hour. In the
   * words of the index delivery_open.
   */
  open(
    { now, lostBefore, staleBefore }: { now: Date; lostBefore: Date; staleBefore: Date },
    take: number,
  ): Promise<OpenDelivery[]> {
    const rests = Prisma.sql`make_interval(secs => least(30 * power(2, least(attempts, 7)), 3600))`;
    return this.#client.$queryRaw<OpenDelivery[]>`
      select id, organization_id as "organizationId" from delivery
       where state in ('received', 'processing') and organization_id is not null
         and ((state = 'received' and received_at < ${lostBefore} and (claimed_at is null or claimed_at < ${now}::timestamptz - ${rests}))
           or (state = 'processing' and claimed_at < ${staleBefore}))
       order by received_at limit ${take}`;
  }

  /** Of these, as their system names them, those that came. */
  async known(system: ExternalSystem, deliveryIds: string[]): Promise<string[]> {
    const rows = await this.#client.delivery.findMany({
      where: { system, deliveryId: { in: deliveryIds } },
      select: { deliveryId: true },
    });
    return rows.map(({ deliveryId }) => deliveryId);
  }

  /** All ties to Linear organizations. */
  linearOrganizations(): Promise<LinearTie[]> {
    return this.#client.linearConnection.findMany({
      select: { organizationId: true, linearOrganizationId: true, appUserId: true },
      orderBy: { organizationId: 'asc' },
    });
  }

  /** Takes away what was delivered in a time, without a look at it; answers how many deliveries that were. */
  forgetBodies(from: Date | null, before: Date): Promise<number> {
    return this.#client.$executeRaw`
      update delivery set body = null where received_at < ${before} and received_at >= ${from ?? new Date(0)}`;
  }

  /** How many wait to be handled, and since when the first of them. */
  async waiting(): Promise<{ count: number; oldest: Date | null }> {
    const [row] = await this.#client.$queryRaw<{ count: number; oldest: Date | null }[]>`
      select count(*)::int as count, min(received_at) as oldest from delivery where state in ('received', 'processing')`;
    return row ?? { count: 0, oldest: null };
  }

  /** Those that are not there yet. One that is delivered twice at once is new once. */
  async #add(arrivals: Arrival[]): Promise<void> {
    const rows = arrivals.map(({ delivery }) => delivery);
    const of = <K extends keyof NewDelivery>(column: K): NewDelivery[K][] => rows.map((row) => row[column]);
    const finished = rows.map(({ state, receivedAt }) => (state === 'received' ? null : receivedAt));
    const added = await this.#client.$queryRaw<{ id: string }[]>`
      insert into delivery (id, organization_id, system, delivery_id, event, action, state, outcome, body, received_at, finished_at)
      select * from unnest(
        ${of('id')}::uuid[], ${of('organizationId')}::uuid[], ${of('system')}::text[], ${of('deliveryId')}::text[], ${of('event')}::text[],
        ${of('action')}::text[], ${of('state')}::text[], ${of('outcome')}::text[], ${of('body')}::text[], ${of('receivedAt')}::timestamptz[],
        ${finished}::timestamptz[])
      on conflict (system, delivery_id) do nothing returning id`;
    const ids = new Set(added.map(({ id }) => id));
    for (const arrival of arrivals) arrival.isNew = ids.has(arrival.delivery.id);
  }
}
