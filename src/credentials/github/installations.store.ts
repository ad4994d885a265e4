import type { JsonObject, Tenant } from '../../database/index.js';

/** An installation of the App, as GitHub tells of it. Ids of GitHub are text here. */
export interface InstallationFacts {
  installationId: string;
  accountId: string;
  accountLogin: string;
  accountType: string;
  selection: string;
  permissions: Record<string, string>;
  suspendedAt: Date | null;
}

export interface InstallationRow extends InstallationFacts {
  credentialId: string;
  connectedBy: string | null;
  createdAt: Date;
}

/** A repository that an installation reaches. */
export interface RepositoryFacts {
  repositoryId: string;
  /** `owner/name`. */
  fullName: string;
  /** Null where GitHub did not say. */
  defaultBranch: string | null;
  private: boolean;
  archived: boolean;
}

/** Which repository is meant. */
export interface RepositoryRef {
  /** Its number; null: it is known by its name alone. */
  repositoryId: string | null;
  /** `owner/name`. */
  fullName: string;
}

/** A repository that is reached, by the installation that reaches it. */
export interface Reached extends RepositoryFacts {
  installationId: string;
  credentialId: string;
  permissions: Record<string, string>;
}

const columns = {
  installationId: true,
  credentialId: true,
  accountId: true,
  accountLogin: true,
  accountType: true,
  selection: true,
  permissions: true,
  suspendedAt: true,
  connectedBy: true,
  createdAt: true,
} as const;

const repositoryColumns = {
  repositoryId: true,
  fullName: true,
  defaultBranch: true,
  private: true,
  archived: true,
} as const;

/** Installations of the GitHub App, and what each of them reaches. */
export const installationsStore = {
  async list({ db, organizationId }: Tenant): Promise<InstallationRow[]> {
    const rows = await db.githubInstallation.findMany({
      where: { organizationId },
      select: columns,
      orderBy: { installationId: 'asc' },
    });
    return rows.map(rowOf);
  },

  async find({ db, organizationId }: Tenant, installationId: string): Promise<InstallationRow | null> {
    const where = { organizationId, installationId };
    const row = await db.githubInstallation.findFirst({ where, select: columns });
    return row && rowOf(row);
  },

  /** When it was brought up to date last, held until the transaction ends; null: it is not tied. */
  async lock({ db, organizationId }: Tenant, installationId: string): Promise<Date | null> {
    const rows = await db.$queryRaw<{ updatedAt: Date }[]>`
      select updated_at as "updatedAt" from github_installation
       where organization_id = ${organizationId}::uuid and installation_id = ${installationId} for update`;
    return rows[0]?.updatedAt ?? null;
  },

  /** Whether it is tied and not suspended; nobody changes that until the transaction ends. */
  async holdsLiving({ db, organizationId }: Tenant, installationId: string): Promise<boolean> {
    const found = await db.$queryRaw<unknown[]>`
      select 1 from github_installation
       where organization_id = ${organizationId}::uuid and installation_id = ${installationId} and suspended_at is null for share`;
    return found.length > 0;
  },

  /** It is brought up to date: each time is later than the one before, so that by it one knows whether anybody else was at it. */
  async touch({ db, organizationId }: Tenant, installationId: string, at: Date): Promise<void> {
    await db.$executeRaw`
      update github_installation set updated_at = greatest(${at}, updated_at + interval '1 millisecond')
       where organization_id = ${organizationId}::uuid and installation_id = ${installationId}`;
  },

  /** False when it is tied already, to whichever organization: one is somebody's alone. */
  async add(
    { db, organizationId }: Tenant,
    facts: InstallationFacts,
    { credentialId, connectedBy, at }: { credentialId: string; connectedBy: string; at: Date },
  ): Promise<boolean> {
    const row = { ...dataOf(facts), installationId: facts.installationId, credentialId, connectedBy };
    const { count } = await db.githubInstallation.createMany({
      data: { ...row, organizationId, createdAt: at, updatedAt: at },
      skipDuplicates: true,
    });
    return count > 0;
  },

  async update(tenant: Tenant, facts: InstallationFacts, at: Date): Promise<void> {
    const { db, organizationId } = tenant;
    await db.githubInstallation.updateMany({
      where: { organizationId, installationId: facts.installationId },
      data: dataOf(facts),
    });
    await installationsStore.touch(tenant, facts.installationId, at);
  },

  /** The account has another name, and so have its repositories. */
  async renameAccount(
    { db, organizationId }: Tenant,
    { installationId, login }: { installationId: string; login: string },
    at: Date,
  ): Promise<void> {
    await db.githubInstallation.updateMany({
      where: { organizationId, installationId },
      data: { accountLogin: login },
    });
    await db.$executeRaw`
      update github_repository set full_name = ${login} || '/' || split_part(full_name, '/', 2), updated_at = ${at}
       where organization_id = ${organizationId}::uuid and installation_id = ${installationId}`;
  },

  /** All of them, each as it is told of now: what is not named is reached no more. There may be tens of thousands, and one that moved from page to page while they were asked for is there twice. */
  async setRepositories(
    { db, organizationId }: Tenant,
    installationId: string,
    repositories: RepositoryFacts[],
    at: Date,
  ): Promise<void> {
    const all = [...new Map(repositories.map((one) => [one.repositoryId, one])).values()];
    const of = <K extends keyof RepositoryFacts>(column: K): RepositoryFacts[K][] =>
      all.map((one) => one[column]);
    await db.$executeRaw`
      delete from github_repository
       where organization_id = ${organizationId}::uuid and installation_id = ${installationId} and repository_id <> all(${of('repositoryId')}::text[])`;
    await db.$executeRaw`
      insert into github_repository (organization_id, installation_id, repository_id, full_name, default_branch, private, archived, updated_at)
      select ${organizationId}::uuid, ${installationId}::text, told.*, ${at}::timestamptz
        from unnest(${of('repositoryId')}::text[], ${of('fullName')}::text[], ${of('defaultBranch')}::text[], ${of('private')}::boolean[], ${of('archived')}::boolean[]) told
      on conflict (organization_id, installation_id, repository_id) do update
        set full_name = excluded.full_name, default_branch = coalesce(excluded.default_branch, github_repository.default_branch),
            private = excluded.private, archived = excluded.archived, updated_at = excluded.updated_at`;
  },

  async repositories({ db, organizationId }: Tenant, slice: { after: string | null; take: number }) {
    return db.githubRepository.findMany({
      where: {
        organizationId,
        ...(slice.after === null ? {} : { repositoryId: { gt: slice.after } }),
      },
      select: { ...repositoryColumns, installationId: true },
      orderBy: { repositoryId: 'asc' },
      take: slice.take,
    });
  },

  /**
   * The repository, by an installation that is not suspended. What has a number is that one, under whatever name, and never another that is called so by now. Names are compared as GitHub does,
   * without case.
   */
  async reaching(
    { db, organizationId }: Tenant,
    { repositoryId, fullName }: RepositoryRef,
  ): Promise<Reached | null> {
    const row = await db.githubRepository.findFirst({
      where: { organizationId, ...meant({ repositoryId, fullName }), installation: { suspendedAt: null } },
      select: {
        ...repositoryColumns,
        installationId: true,
        installation: { select: { credentialId: true, permissions: true } },
      },
      // A name that changed hands: who has it now was told of last.
      orderBy: { updatedAt: 'desc' },
    });
    if (!row) return null;
    const { installation, ...repository } = row;
    const permissions = installation.permissions as Record<string, string>;
    return { ...repository, credentialId: installation.credentialId, permissions };
  },

  /** The installation that would reach it and is suspended; null: there is none. */
  async suspendedOf({ db, organizationId }: Tenant, ref: RepositoryRef): Promise<string | null> {
    const row = await db.githubRepository.findFirst({
      where: { organizationId, ...meant(ref), installation: { suspendedAt: { not: null } } },
      select: { installationId: true },
      orderBy: { updatedAt: 'desc' },
    });
    return row?.installationId ?? null;
  },
};

function meant({ repositoryId, fullName }: RepositoryRef) {
  if (repositoryId !== null) return { repositoryId };
  const equals = fullName.replaceAll(/[\\%_]/g, String.raw`\$&`);
  return { fullName: { equals, mode: 'insensitive' as const } };
}

function dataOf({ installationId: _key, permissions, ...facts }: InstallationFacts) {
  return { ...facts, permissions: permissions as JsonObject };
}

function rowOf<T extends { permissions: unknown }>(row: T): T & { permissions: Record<string, string> } {
  return { ...row, permissions: row.permissions as Record<string, string> };
}
