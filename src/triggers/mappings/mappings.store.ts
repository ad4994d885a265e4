import type { MappingInput, MappingView } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';

const shown = {
  id: true,
  linearTeamKey: true,
  linearProject: true,
  label: true,
  repository: true,
  branch: true,
  agent: true,
  provider: true,
  awsRegion: true,
  model: true,
  enabled: true,
} as const;

/** A mapping, and which repository it is of. */
export interface MappingRow extends MappingView {
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
}

/** A mapping that is to be written. */
export type NewMapping = MappingInput & { repositoryId: string | null };

/** The only writer of mappings. */
export const mappingsStore = {
  async page({ db, organizationId }: Tenant, { after, take }: Slice): Promise<MappingView[]> {
    const rows = await db.mapping.findMany({
      where: { organizationId, ...(after ? { id: { lt: after } } : {}) },
      select: shown,
      orderBy: { id: 'desc' },
      take,
    });
    return rows as MappingView[];
  },

  /** All that are in force. */
  async enabled({ db, organizationId }: Tenant): Promise<MappingRow[]> {
    const rows = await db.mapping.findMany({
      where: { organizationId, enabled: true },
      select: { ...shown, repositoryId: true },
      orderBy: { id: 'asc' },
    });
    return rows as MappingRow[];
  },

  async find({ db, organizationId }: Tenant, id: string): Promise<MappingView | null> {
    return (await db.mapping.findFirst({
      where: { organizationId, id },
      select: shown,
    })) as MappingView | null;
  },

  /** As `find`, and held until the transaction ends: what two change at once is changed one after the other. */
  async findLocked(tenant: Tenant, id: string): Promise<MappingView | null> {
    const { db, organizationId } = tenant;
    await db.$queryRaw`select 1 from mapping where organization_id = ${organizationId}::uuid and id = ${id}::uuid for update`;
    return mappingsStore.find(tenant, id);
  },

  /**
   * Repositories as they are called now. One that is known by its name alone is from now on the one that has it; one that has a number goes by its new name, unless there is a mapping of the same
   * place to that already.
   */
  async named(
    { db, organizationId }: Tenant,
    repositories: { repositoryId: string; fullName: string }[],
  ): Promise<void> {
    const ids = repositories.map(({ repositoryId }) => repositoryId);
    const names = repositories.map(({ fullName }) => fullName);
    await db.$executeRaw`
      update mapping m set repository = n.name from unnest(${ids}::text[], ${names}::text[]) as n (id, name)
       where m.organization_id = ${organizationId}::uuid and m.repository_id = n.id and lower(m.repository) <> lower(n.name)
         and not exists (select 1 from mapping o where o.organization_id = m.organization_id and o.linear_team_key = m.linear_team_key and o.repository = n.name
           and o.linear_project is not distinct from m.linear_project and o.label is not distinct from m.label)`;
    await db.$executeRaw`
      update mapping m set repository_id = n.id from unnest(${ids}::text[], ${names}::text[]) as n (id, name)
       where m.organization_id = ${organizationId}::uuid and m.repository_id is null and lower(m.repository) = lower(n.name)`;
  },

  count({ db, organizationId }: Tenant): Promise<number> {
    return db.mapping.count({ where: { organizationId } });
  },

  /** Throws a unique violation when there is one for the same place and repository. */
  async create({ db, organizationId }: Tenant, id: string, mapping: NewMapping, at: Date): Promise<void> {
    await db.mapping.create({
      data: { ...mapping, id, organizationId, createdAt: at, updatedAt: at },
      select: { id: true },
    });
  },

  /** False when it is not there any more. */
  async change({ db, organizationId }: Tenant, id: string, mapping: NewMapping, at: Date): Promise<boolean> {
    const { count } = await db.mapping.updateMany({
      where: { organizationId, id },
      data: { ...mapping, updatedAt: at },
    });
    return count > 0;
  },

  async remove({ db, organizationId }: Tenant, id: string): Promise<boolean> {
    const { count } = await db.mapping.deleteMany({ where: { organizationId, id } });
    return count > 0;
  },
};
