import type { Pool } from 'pg';
import type { ExternalSystem } from '../contracts/index.js';
import { Gathering } from '../kernel/index.js';
import { StatementFailed } from './database.js';
import { Prisma, type PrismaClient } from './generated/client.js';

/** By what a delivery says whose it is. */
export type DeliveryTenant = { installationId: string } | { linearOrganizationId: string };

/** How a delivery begins. */
export interface Standing {
  state: 'received' | 'processed' | 'failed';
  outcome: string | null;
  body: string | null;
}

/** A delivery as it comes in. */
export interface NewDelivery {
  id: string;
  system: ExternalSystem;
  deliveryId: string;
  event: string;
  action: string | null;
  /** By what it says whose it is; null: it is of no tenant. */
  tenant: DeliveryTenant | null;
  /** How it begins when that is somebody's here. */
  known: Standing;
  /** And when it is nobody's: whose it is, is found out by the statement that stores it. */
  unknown: Omit<Standing, 'body'>;
  receivedAt: Date;
}

/** What of a delivery is known to be there: the one that was stored, or the one that was there before. */
export interface StoredDelivery {
  id: string;
  /** Whose the one is that came; the one that was there may be nobody's still. */
  tenantId: string | null;
  organizationId: string | null;
  state: string;
  /** It waits to be handled, or is done, because of this call: it was not there, or had failed. */
  isNew: boolean;
}

/** An organization, the Linear organization it is tied to, and who Berth is there. */
export interface LinearTie {
  organizationId: string;
  linearOrganizationId: string;
  appUserId: string;
}

/** A delivery on its way into the rows; whose it is and whether it was added. */
interface Arrival {
  delivery: NewDelivery;
  tenantId: string | null;
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

  /** `pool`: the connections below the client. */
  constructor(
    client: PrismaClient,
    private readonly pool: Pool,
  ) {
    this.#client = client;
  }

  /** Whose this Linear organization is; null: nobody's here. */
  async tiedTo(linearOrganizationId: string): Promise<string | null> {
    const found = await this.#client.linearConnection.findFirst({
      where: { linearOrganizationId },
      select: { organizationId: true },
    });
    return found?.organizationId ?? null;
  }

  /**
   * Stores a delivery once. One that is there already is left as it is, unless it has failed: then it waits again, with what was delivered now. Each step is one statement that matches
   * for one of many at once.
   */
  async receive(delivery: NewDelivery): Promise<StoredDelivery> {
    const { id, system, deliveryId, receivedAt } = delivery;
    const arrival: Arrival = { delivery, tenantId: null, isNew: false };
    await this.#arrivals.add(arrival);
    const { tenantId } = arrival;
    const { state, body } = tenantId === null ? { ...delivery.unknown, body: null } : delivery.known;
    const isNew = tenantId !== null && state !== 'failed';
    if (arrival.isNew) return { id, tenantId, organizationId: tenantId, state, isNew };
    // What failed is tried again. Only for whom it came first: a tenant does not change between two deliveries of the same.
    const [again] =
      state === 'received'
        ? await this.#client.$queryRaw<{ id: string; organizationId: string }[]>`
            update delivery set state = 'received', outcome = null, body = ${body}, claim = null, claimed_at = null, error = null, finished_at = null, reopened_at = ${receivedAt}
             where system = ${system} and delivery_id = ${deliveryId} and state = 'failed' and organization_id = ${tenantId}::uuid
            returning id, organization_id as "organizationId"`
        : [];
    if (again) return { ...again, tenantId, state: 'received', isNew: true };
    const { id: knownId, ...known } = await this.#client.delivery.findUniqueOrThrow({
      where: { system_deliveryId: { system, deliveryId } },
      select: { id: true, organizationId: true, state: true },
    });
    return { id: knownId, tenantId, ...known, isNew: false };
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

  /**
   * Those that are not there yet, and whose they are, in one statement. One that is delivered twice at once is new once. By the connection itself: what was delivered is large, and on its way
   * through Prisma it would be written and read as JSON several times.
   */
  async #add(arrivals: Arrival[]): Promise<void> {
    const rows = arrivals.map(({ delivery }) => delivery);
    const { rows: known } = await this.pool
      .query<Pick<Arrival, 'tenantId' | 'isNew'>>(addDeliveries(rows.length), valuesOf(rows))
      .catch((error: unknown) => {
        throw new StatementFailed(error);
      });
    for (const [at, arrival] of arrivals.entries()) Object.assign(arrival, known[at]);
  }
}

/** Each body is a value of its own, behind these columns as arrays: inside an array it would be escaped once more. */
const COLUMNS = 12;

const addDeliveries = (count: number): string => `
  with come as (
    select come.*, coalesce(github.organization_id, linear.organization_id) as organization_id
      from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
                  $12::timestamptz[], array[${Array.from({ length: count }, (_, at) => `$${COLUMNS + 1 + at}`).join(', ')}]::text[])
           with ordinality as come (id, system, delivery_id, event, action, installation_id, linear_organization_id, state, outcome, unknown_state, unknown_outcome,
                                    received_at, body, place)
      left join github_installation github on github.installation_id = come.installation_id
      left join linear_connection linear on linear.linear_organization_id = come.linear_organization_id
  ), begun as (
    select id, organization_id, system, delivery_id, event, action, received_at,
           case when organization_id is null then unknown_state else state end as state,
           case when organization_id is null then unknown_outcome else outcome end as outcome,
           case when organization_id is not null then body end as body
      from come
  ), added as (
    insert into delivery (id, organization_id, system, delivery_id, event, action, state, outcome, body, received_at, finished_at)
    select id, organization_id, system, delivery_id, event, action, state, outcome, body, received_at,
           case when state <> 'received' then received_at end
      from begun
    on conflict (system, delivery_id) do nothing returning id)
  select come.organization_id as "tenantId", added.id is not null as "isNew"
    from come left join added on added.id = come.id order by come.place`;

function valuesOf(rows: readonly NewDelivery[]): unknown[] {
  const of = <T>(read: (row: NewDelivery) => T): T[] => rows.map(read);
  const named = (name: 'installationId' | 'linearOrganizationId') =>
    of(({ tenant }) => (tenant && name in tenant ? (tenant as Record<string, string>)[name] : null));
  return [
    ...[of(({ id }) => id), of(({ system }) => system), of(({ deliveryId }) => deliveryId)],
    ...[of(({ event }) => event), of(({ action }) => action)],
    ...[named('installationId'), named('linearOrganizationId')],
    ...[of(({ known }) => known.state), of(({ known }) => known.outcome)],
    ...[of(({ unknown }) => unknown.state), of(({ unknown }) => unknown.outcome)],
    of(({ receivedAt }) => receivedAt),
    ...of(({ known }) => known.body),
  ];
}
