import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';
import type { Handled } from './delivery.js';

/** A delivery as its handler needs it. */
export interface ClaimedDelivery {
  id: string;
  system: ExternalSystem;
  deliveryId: string;
  event: string;
  action: string | null;
  body: string | null;
  attempts: number;
  receivedAt: Date;
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
  /** Takes a delivery for one attempt; null when it is done, or another took it after `freeBefore`. */
  async claim(
    { db, organizationId }: Tenant,
    id: string,
    { claim, at, freeBefore }: { claim: string; at: Date; freeBefore: Date },
  ): Promise<ClaimedDelivery | null> {
    const [row] = await db.$queryRaw<ClaimedDelivery[]>`
      update delivery set state = 'processing', claim = ${claim}::uuid, claimed_at = ${at}, attempts = attempts + 1
       where organization_id = ${organizationId}::uuid and id = ${id}::uuid
         and (state = 'received' or (state = 'processing' and claimed_at < ${freeBefore}))
      returning id, system, delivery_id as "deliveryId", event, action, body, attempts, received_at as "receivedAt"`;
    return row ?? null;
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.delivery.findFirst({ where: { organizationId, id }, select: seen });
  },

  /** By the claim alone: an attempt that was given up for lost finishes nothing. False: it is another's by now. */
  async finish(
    { db, organizationId }: Tenant,
    { id, claim, at }: { id: string; claim: string; at: Date },
    { outcome, workspaceId }: Handled,
  ): Promise<boolean> {
    const { count } = await db.delivery.updateMany({
      where: { organizationId, id, claim },
      data: {
        state: 'processed',
        outcome,
        workspaceId: workspaceId ?? null,
        claim: null,
        error: null,
        finishedAt: at,
      },
    });
    return count === 1;
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
  async reopen({ db, organizationId }: Tenant, ids: string[]): Promise<string[]> {
    const rows = await db.$queryRaw<{ id: string }[]>`
      update delivery set state = 'received', outcome = null, error = null, claim = null, claimed_at = null, finished_at = null
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
