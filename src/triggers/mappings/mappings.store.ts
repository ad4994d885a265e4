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
  async enabled({ db, organizationId }: Tenant): Promise<MappingView[]> {
    const rows = await db.mapping.findMany({
      where: { organizationId, enabled: true },
      select: shown,
      orderBy: { id: 'asc' },
    });
    return rows as MappingView[];
  },

  async find({ db, organizationId }: Tenant, id: string): Promise<MappingView | null> {
    return (await db.mapping.findFirst({
      where: { organizationId, id },
      select: shown,
    })) as MappingView | null;
  },

  count({ db, organizationId }: Tenant): Promise<number> {
    return db.mapping.count({ where: { organizationId } });
  },

  /** Throws a unique violation when there is one for the same place and repository. */
  async create({ db, organizationId }: Tenant, id: string, mapping: MappingInput, at: Date): Promise<void> {
    await db.mapping.create({
      data: { ...mapping, id, organizationId, createdAt: at, updatedAt: at },
      select: { id: true },
    });
  },

  /** False when it is not there any more. */
  async change(
    { db, organizationId }: Tenant,
    id: string,
    mapping: MappingInput,
    at: Date,
  ): Promise<boolean> {
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
