import type { RepositorySource } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';

/** Of a workspace, what matters for where its agent may go. Reads alone. */
export const egressStore = {
  /** Not locked: proxies ask every few seconds, and a change is seen the next time. */
  async place(
    { db, organizationId }: Tenant,
    id: string,
  ): Promise<{ state: string; source: RepositorySource } | null> {
    const where = { organizationId_id: { organizationId, id } };
    const row = await db.workspace.findUnique({ where, select: { state: true, source: true } });
    return row && { state: row.state, source: row.source as RepositorySource };
  },
};
