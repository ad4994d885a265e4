import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';
import type { Handled } from './delivery.js';

/** One attempt at a delivery: by both it is known later. */
export interface Attempt {
  id: string;
  claim: string;
}

/** A delivery as its handler needs it. */
export interface ClaimedDelivery extends Attempt {
  system: ExternalSystem;
  deliveryId: string;
  event: string;
  action: string | null;
  body: string | null;
  attempts: number;
  receivedAt: Date;
  /** Since when it is handled once more; null: it never was. */
  reopenedAt: Date | null;
}

/** What people see of a delivery: never what was delivered. */
const seen = {
  id: true,
  system: true,
  deliveryId: true,
  event: true,
  action: true,
  state: true,
  outcome: true,
  workspaceId: true,
  attempts: true,
  error: true,
  receivedAt: true,
  finishedAt: true,
} as const;

/** What becomes of deliveries inside their organization. That one came is written by the system's login (src/database/deliveries.store.ts). */
export const deliveriesStore = {
  /**
   * Takes deliveries, each for its attempt. Those that are done, or that another took after `freeBefore`, are left out. In the order of their ids, so that two who want the same ones do not wait for
   * each other.
   */
  async claim(
    { db, organizationId }: Tenant,
    attempts: readonly Attempt[],
    { at, freeBefore }: { at: Date; freeBefore: Date },
  ): Promise<ClaimedDelivery[]> {
    return db.$queryRaw<ClaimedDelivery[]>`
      with free as (
        select delivery.id, wanted.claim
          from delivery join unnest(${attempts.map(({ id }) => id)}::uuid[], ${attempts.map(({ claim }) => claim)}::uuid[]) as wanted (id, claim) on wanted.id = delivery.id
         where organization_id = ${organizationId}::uuid and (state = 'received' or (state = 'processing' and claimed_at < ${freeBefore}))
         order by delivery.id for update of delivery)
      update delivery set state = 'processing', claim = free.claim, claimed_at = ${at}, attempts = attempts + 1
        from free where delivery.id = free.id and delivery.organization_id = ${organizationId}::uuid
      returning delivery.id, delivery.claim, system, delivery_id as "deliveryId", event, action, body, attempts, received_at as "receivedAt", reopened_at as "reopenedAt"`;
  },

  /** Of these, those that somebody is at. */
  async underWay({ db, organizationId }: Tenant, ids: string[]): Promise<string[]> {
    const rows = await db.delivery.findMany({
      where: { organizationId, id: { in: ids }, state: 'processing' },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  },

  /** By the claims alone: an attempt that was given up for lost finishes nothing. Answers the claims of those that were finished; the others are another's by now. */
  async finish(
    { db, organizationId }: Tenant,
    attempts: readonly (Attempt & Handled)[],
    at: Date,
  ): Promise<string[]> {
    const of = <K extends keyof Handled | keyof Attempt>(name: K) =>
      attempts.map((each) => each[name] ?? null);
    const rows = await db.$queryRaw<{ claim: string }[]>`
      with ours as (
        select delivery.id, ended.claim, ended.outcome, ended.workspace_id
          from delivery join unnest(${of('id')}::uuid[], ${of('claim')}::uuid[], ${of('outcome')}::text[], ${of('workspaceId')}::uuid[]) as ended (id, claim, outcome, workspace_id)
            on ended.id = delivery.id and ended.claim = delivery.claim
         where organization_id = ${organizationId}::uuid
         order by delivery.id for update of delivery)
      update delivery set state = 'processed', outcome = ours.outcome, workspace_id = ours.workspace_id, claim = null, error = null, finished_at = ${at}
        from ours where delivery.id = ours.id and delivery.organization_id = ${organizationId}::uuid
      returning ours.claim`;
    return rows.map(({ claim }) => claim);
  },

  /** As `finish`, for an attempt that did not end well. */
  async giveBack(
    { db, organizationId }: Tenant,
    { id, claim, at }: { id: string; claim: string; at: Date },
    state: 'received' | 'failed',
    error: string,
  ): Promise<boolean> {
    const { count } = await db.delivery.updateMany({
      where: { organizationId, id, claim },
      data: {
        state,
        error,
        claim: null,
        outcome: state === 'failed' ? 'failed' : null,
        finishedAt: state === 'failed' ? at : null,
      },
    });
    return count === 1;
  },

  /** Handled ones that are to be handled once more, since what they waited for has come. Those whose body is gone stay as they are. Answers which. */
  async reopen({ db, organizationId }: Tenant, ids: string[], at: Date): Promise<string[]> {
    const rows = await db.$queryRaw<{ id: string }[]>`
      update delivery set state = 'received', outcome = null, error = null, claim = null, claimed_at = null, finished_at = null, reopened_at = ${at}
       where organization_id = ${organizationId}::uuid and id = any(${ids}::uuid[]) and state in ('processed', 'failed') and body is not null
      returning id`;
    return rows.map(({ id }) => id);
  },

  /** Newest first. */
  list({ db, organizationId }: Tenant, { after, take }: Slice) {
    return db.delivery.findMany({
      where: { organizationId, ...(after ? { id: { lt: after } } : {}) },
      orderBy: { id: 'desc' },
      take,
      select: seen,
    });
  },
};

export type SeenDelivery = Awaited<ReturnType<typeof deliveriesStore.list>>[number];
