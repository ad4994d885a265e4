import type { Kind, Scope } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';

/** The right of one subject (a workspace) to use one credential at one generation. */
export interface LeaseRow {
  workspaceId: string;
  credentialId: string;
  generation: number;
  scope: Scope;
  kind: Kind;
  reason: string;
  /** The member whose own credential it is; null for the organization's. */
  userId: string | null;
  expiresAt: Date;
  /** Of which login or setting the generation is. */
  lineage: string;
}

/** Which credentials were lent to whom, and why. They outlive the credentials. */
export const leasesStore = {
  /**
   * True for the first lease of this login or setting to this workspace, whichever generation it is of: of several of one generation at once, for one of them. In one statement, since proxies ask every
   * few seconds; a row that was there before is known by its `xmax`.
   */
  async save({ db, organizationId }: Tenant, lease: LeaseRow): Promise<boolean> {
    const { workspaceId, credentialId, generation, scope, kind, reason, userId, expiresAt, lineage } = lease;
    const [saved] = await db.$queryRaw<{ isFirst: boolean }[]>`
      insert into lease (organization_id, workspace_id, credential_id, generation, scope, kind, reason, user_id, expires_at, lineage)
      values (${organizationId}::uuid, ${workspaceId}::uuid, ${credentialId}::uuid, ${generation}, ${scope}, ${kind}, ${reason}, ${userId}::uuid,
              ${expiresAt}, ${lineage}::uuid)
      on conflict (workspace_id, credential_id, generation) do update set reason = excluded.reason, expires_at = excluded.expires_at
      returning lease.xmax = 0 and not exists (
        select 1 from lease other
         where other.organization_id = ${organizationId}::uuid and other.workspace_id = ${workspaceId}::uuid and other.credential_id = ${credentialId}::uuid
           and other.lineage = ${lineage}::uuid and other.generation <> ${generation}) as "isFirst"`;
    return saved?.isFirst ?? false;
  },

  /** The last one of this login or setting to this workspace, whichever generation it was of. */
  last({ db, organizationId }: Tenant, { workspaceId, credentialId, lineage }: LeaseRow) {
    return db.lease.findFirst({
      where: { organizationId, workspaceId, credentialId, lineage },
      orderBy: { generation: 'desc' },
      select: { reason: true },
    });
  },

  /** Of the leases that ended after a time, the last one of a credential that is a person's own and not this person's. */
  foreign({ db, organizationId }: Tenant, workspaceId: string, userId: string, since: Date) {
    return db.lease.findFirst({
      where: {
        organizationId,
        workspaceId,
        expiresAt: { gt: since },
        userId: { not: null },
        NOT: { userId },
      },
      orderBy: { expiresAt: 'desc' },
      select: { expiresAt: true },
    });
  },

  /** The lease by which a workspace used a credential. */
  find({ db, organizationId }: Tenant, workspaceId: string, credentialId: string, generation: number) {
    return db.lease.findFirst({ where: { organizationId, workspaceId, credentialId, generation } });
  },

  /** Which of these credentials were lent since a time, and to whom. */
  usesSince({ db, organizationId }: Tenant, credentialIds: string[], since: Date) {
    return db.lease.findMany({
      where: { organizationId, credentialId: { in: credentialIds }, expiresAt: { gt: since } },
      select: { credentialId: true, workspaceId: true },
      distinct: ['credentialId', 'workspaceId'],
      orderBy: [{ credentialId: 'asc' }, { workspaceId: 'asc' }],
    });
  },

  /** Forgets those of former generations that ended before a time: what a proxy has to say about them it has said. The last one of each workspace stays. */
  async tidy({ db, organizationId }: Tenant, credentialId: string, before: Date): Promise<void> {
    await db.$executeRaw`
      delete from lease old
       where organization_id = ${organizationId}::uuid and credential_id = ${credentialId}::uuid and expires_at < ${before}
         and exists (select 1 from lease newer
                      where newer.workspace_id = old.workspace_id and newer.credential_id = old.credential_id
                        and newer.generation > old.generation)`;
  },
};
