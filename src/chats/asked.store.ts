import type { Tenant } from '../database/index.js';

/** What people asked of the agent and it began to work on, oldest first, and by whom. Reads alone. */
export function askedOf(
  { db, organizationId }: Tenant,
  workspaceId: string,
): Promise<{ author: string; text: string }[]> {
  return db.$queryRaw`
    select m.author_name as author, m.text from turn t join message m on m.organization_id = t.organization_id and m.id = t.id
     where t.organization_id = ${organizationId}::uuid and t.workspace_id = ${workspaceId}::uuid and t.started_at is not null
     order by t.seq`;
}
