import type { JsonObject, Tenant } from '../database/index.js';
import type { NewEvent, WorkspaceEvent } from './event.js';
import { followedTopic, WORKSPACE_CHANNEL } from './notices.js';

/** Postgres' integer: a reader may say any number, and is answered that nothing comes after it. */
const MAX_SEQ = 2 ** 31 - 1;

/** The numbered log of a workspace. Facts are added, never changed. */
export const eventsStore = {
  /**
   * Adds events and wakes readers, when the transaction commits. Numbers come from updating the workspace's row, which holds other writers back until
   * the commit: a sequence would let a lower number commit after a higher one, and a reader that resumes after the higher would miss it (rule 2).
   */
  async append(tenant: Tenant, workspaceId: string, events: NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    const { db, organizationId } = tenant;
    const where = { organizationId_id: { organizationId, id: workspaceId } };
    // Takes the row's lock before the look at source keys, so that two deliveries of one source cannot both find it missing.
    await db.workspace.update({ where, data: { lastEventSeq: { increment: 0 } }, select: { id: true } });
    const fresh = await withoutKnown(tenant, workspaceId, events);
    if (fresh.length === 0) return;
    // Whether anybody follows is read on the way: it costs an index's look, and nothing more where nobody does.
    const [row] = await db.$queryRaw<{ lastEventSeq: number; isFollowed: boolean }[]>`
      update workspace set last_event_seq = last_event_seq + ${fresh.length}
       where organization_id = ${organizationId}::uuid and id = ${workspaceId}::uuid
       returning last_event_seq as "lastEventSeq", exists (
         select 1 from conversation
          where conversation.organization_id = workspace.organization_id and conversation.workspace_id = workspace.id) as "isFollowed"`;
    const { lastEventSeq = fresh.length, isFollowed = false } = row ?? {};
    const first = lastEventSeq - fresh.length + 1;
    await db.event.createMany({
      data: fresh.map(({ type, at, data, sourceKey }, index) => ({
        organizationId,
        workspaceId,
        seq: first + index,
        type,
        at,
        data: data as JsonObject,
        sourceKey: sourceKey ?? null,
      })),
    });
    tenant.metrics.count('berth_events_appended_total', {}, fresh.length);
    await eventsStore.notify(tenant, workspaceId);
    if (isFollowed) await eventsStore.notify(tenant, followedTopic({ organizationId, workspaceId }));
  },

  /** Wakes who waits for something about this workspace, when the transaction commits; or who reads by the API key or session of this id, which is gone. */
  async notify(tenant: Tenant, id: string): Promise<void> {
    await tenant.tell(WORKSPACE_CHANNEL, id);
  },

  /** Events after a number, ascending. */
  async list(
    { db, organizationId }: Tenant,
    workspaceId: string,
    after: number,
    limit: number,
  ): Promise<WorkspaceEvent[]> {
    const rows = await db.event.findMany({
      where: { organizationId, workspaceId, seq: { gt: Math.min(after, MAX_SEQ) } },
      select: { seq: true, type: true, at: true, data: true },
      orderBy: { seq: 'asc' },
      take: limit,
    });
    return rows.map((row) => ({ ...row, data: row.data as Record<string, unknown> }));
  },
};

async function withoutKnown(
  { db, organizationId }: Tenant,
  workspaceId: string,
  events: NewEvent[],
): Promise<NewEvent[]> {
  const keys = events.flatMap(({ sourceKey }) => sourceKey ?? []);
  if (keys.length === 0) return events;
  const known = await db.event.findMany({
    where: { organizationId, workspaceId, sourceKey: { in: keys } },
    select: { sourceKey: true },
  });
  const seen = new Set(known.map(({ sourceKey }) => sourceKey));
  return events.filter(({ sourceKey }) => {
    if (!sourceKey) return true;
    if (seen.has(sourceKey)) return false;
    seen.add(sourceKey);
    return true;
  });
}
