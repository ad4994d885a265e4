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
   * At most one of each workspace. Answers those workspaces for which it is the first lease of this login or setting, whichever generation it is of: of several of one generation at once, for one of
   * them. In one statement, since proxies ask every few seconds; a row that was there before is known by its `xmax`.
   */
  async save({ db, organizationId }: Tenant, leases: LeaseRow[]): Promise<Set<string>> {
    const of = <K extends keyof LeaseRow>(column: K): LeaseRow[K][] => leases.map((lease) => lease[column]);
    const saved = await db.$queryRaw<{ workspaceId: string; isFirst: boolean }[]>`
      insert into lease (organization_id, workspace_id, credential_id, generation, scope, kind, reason, user_id, expires_at, lineage)
      select ${organizationId}::uuid, given.*
        from unnest(${of('workspaceId')}::uuid[], ${of('credentialId')}::uuid[], ${of('generation')}::int[], ${of('scope')}::text[], ${of('kind')}::text[],
                    ${of('reason')}::text[], ${of('userId')}::uuid[], ${of('expiresAt')}::timestamptz[], ${of('lineage')}::uuid[]) as given
      on conflict (workspace_id, credential_id, generation) do update set reason = excluded.reason, expires_at = excluded.expires_at
      returning lease.workspace_id as "workspaceId", lease.xmax = 0 and not exists (
        select 1 from lease other
         where other.organization_id = ${organizationId}::uuid and other.workspace_id = lease.workspace_id and other.credential_id = lease.credential_id
           and other.lineage = lease.lineage and other.generation <> lease.generation) as "isFirst"`;
    return new Set(saved.flatMap(({ workspaceId, isFirst }) => (isFirst ? [workspaceId] : [])));
  },

  /** Why the last one of the same login or setting was given, by workspace, whichever generation it was of; of one workspace one is asked for. */
  async lastReasons({ db, organizationId }: Tenant, leases: LeaseRow[]): Promise<Map<string, string>> {
    if (leases.length === 0) return new Map();
    const of = <K extends keyof LeaseRow>(column: K): LeaseRow[K][] => leases.map((lease) => lease[column]);
    const rows = await db.$queryRaw<{ workspaceId: string; reason: string }[]>`
      select given.workspace_id as "workspaceId", last.reason
        from unnest(${of('workspaceId')}::uuid[], ${of('credentialId')}::uuid[], ${of('lineage')}::uuid[]) as given (workspace_id, credential_id, lineage)
       cross join lateral (
         select reason from lease
          where organization_id = ${organizationId}::uuid and workspace_id = given.workspace_id and credential_id = given.credential_id
            and lineage = given.lineage
          order by generation desc limit 1) as last`;
    return new Map(rows.map(({ workspaceId, reason }) => [workspaceId, reason]));
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
  async tidy({ db, organizationId }: Tenant, credentialIds: string[], before: Date): Promise<void> {
    await db.$executeRaw`
      delete from lease old
       where organization_id = ${organizationId}::uuid and credential_id = any (${credentialIds}::uuid[]) and expires_at < ${before}
         and exists (select 1 from lease newer
                      where newer.workspace_id = old.workspace_id and newer.credential_id = old.credential_id
                        and newer.generation > old.generation)`;
  },
};
