import type { Tenant } from '../../database/index.js';

/** A conversation that is told of its workspace. */
export interface Follower {
  system: string;
  url: string;
  state: string;
  workspaceId: string | null;
  eventCursor: number;
}

/** How far conversations were told of their workspaces. It alone writes their cursors, but for where one begins (src/triggers/conversations). */
export const followStore = {
  async ofWorkspace({ db, organizationId }: Tenant, workspaceId: string): Promise<string[]> {
    const rows = await db.conversation.findMany({
      where: { organizationId, workspaceId, state: { not: 'closed' } },
      select: { id: true },
      orderBy: { id: 'asc' },
    });
    return rows.map(({ id }) => id);
  },

  /** Held until the transaction ends, so that two looks at once say nothing twice. */
  async lock({ db, organizationId }: Tenant, conversationId: string): Promise<Follower | null> {
    const rows = await db.$queryRaw<Follower[]>`
      select system, url, state, workspace_id as "workspaceId", event_cursor as "eventCursor" from conversation
       where organization_id = ${organizationId}::uuid and id = ${conversationId}::uuid for update`;
    return rows[0] ?? null;
  },

  async move({ db, organizationId }: Tenant, conversationId: string, eventCursor: number): Promise<void> {
    await db.conversation.update({
      where: { organizationId_id: { organizationId, id: conversationId } },
      data: { eventCursor },
      select: { id: true },
    });
  },
};
