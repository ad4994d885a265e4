import type { WorkspaceState } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';

/** Workspaces as others know them: by their ids. Only read. */
export const subjectsStore = {
  /** Of these, the ones in one of the states. */
  async idsInStates(
    { db, organizationId }: Tenant,
    ids: string[],
    states: readonly WorkspaceState[],
  ): Promise<string[]> {
    const rows = await db.workspace.findMany({
      where: { organizationId, id: { in: ids }, state: { in: [...states] } },
      select: { id: true },
      orderBy: { id: 'asc' },
    });
    return rows.map(({ id }) => id);
  },

  place({ db, organizationId }: Tenant, id: string) {
    return db.workspace.findFirst({
      where: { organizationId, id },
      select: { source: true, repository: true, repositoryId: true, readOnly: true },
    });
  },

  /** Who may do what with these. */
  access({ db, organizationId }: Tenant, ids: string[]) {
    return db.workspace.findMany({
      where: { organizationId, id: { in: ids } },
      select: { id: true, ownerId: true, shared: true },
      orderBy: { id: 'asc' },
    });
  },
};
