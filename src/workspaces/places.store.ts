import type { RepositorySource } from '../contracts/index.js';
import { Prisma } from '../database/generated/client.js';
import type { Tenant } from '../database/index.js';

/** What of a workspace decides who serves it. */
export interface WorkspacePlace {
  id: string;
  ownerId: string;
  agent: string;
  state: string;
  /** Several persons may write in it, one after the other: it is shared, or behind a conversation at another system. */
  isOfSeveral: boolean;
  source: RepositorySource;
  repository: string;
  repositoryId: string | null;
  readOnly: boolean;
  /** It is served by the organization's credentials alone. */
  organizationOnly: boolean;
  provider: string;
  awsRegion: string | null;
}

const columns = Prisma.sql`id, owner_id as "ownerId", agent, state, source, repository, repository_id as "repositoryId", read_only as "readOnly",
  organization_only as "organizationOnly", provider, aws_region as "awsRegion",
  shared or origin->>'type' in ('github', 'linear') or pull_request_url is not null as "isOfSeveral"`;

/** Workspaces as leases know them. Only read. */
export const placesStore = {
  /** As `workspacesStore.findLocked`, of what a lease depends on alone: proxies ask every few seconds. Waited for where another holds it. */
  async held({ db, organizationId }: Tenant, id: string): Promise<WorkspacePlace | null> {
    const [place] = await db.$queryRaw<WorkspacePlace[]>`
      select ${columns} from workspace where organization_id = ${organizationId}::uuid and id = ${id}::uuid for update`;
    return place ?? null;
  },

  /** The same of those of these that nobody else holds. */
  heldIfFree({ db, organizationId }: Tenant, ids: string[]): Promise<WorkspacePlace[]> {
    return db.$queryRaw`
      select ${columns} from workspace where organization_id = ${organizationId}::uuid and id = any (${ids}::uuid[]) for update skip locked`;
  },

  /** The same of many, held by nobody: for a first look, which another one follows that holds the row. */
  many({ db, organizationId }: Tenant, ids: string[]): Promise<WorkspacePlace[]> {
    return db.$queryRaw`
      select ${columns} from workspace where organization_id = ${organizationId}::uuid and id = any (${ids}::uuid[])`;
  },
};
