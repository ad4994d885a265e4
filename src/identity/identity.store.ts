import type { Slice } from '../http/index.js';
import type { Tenant } from '../database/index.js';

const keyColumns = {
  id: true,
  name: true,
  prefix: true,
  userId: true,
  expiresAt: true,
  lastUsedAt: true,
  createdAt: true,
} as const;

/** Organization, members and API keys of one tenant. */
export const identityStore = {
  organization({ db, organizationId }: Tenant) {
    return db.organization.findUnique({ where: { id: organizationId } });
  },

  members({ db, organizationId }: Tenant, { after, take }: Slice) {
    return db.member.findMany({
      where: { organizationId, ...(after ? { userId: { gt: after } } : {}) },
      select: { role: true, createdAt: true, user: { select: { id: true, name: true, email: true } } },
      orderBy: { userId: 'asc' },
      take,
    });
  },

  /** One member with the person's name and address; null when not (or no longer) a member. */
  member({ db, organizationId }: Tenant, userId: string) {
    return db.member.findUnique({
      where: { organizationId_userId: { organizationId, userId } },
      select: { role: true, user: { select: { id: true, name: true, email: true } } },
    });
  },

  /** API keys, newest first; of one member or of all. */
  apiKeys({ db, organizationId }: Tenant, userId: string | null, { after, take }: Slice) {
    return db.apiKey.findMany({
      where: { organizationId, ...(userId ? { userId } : {}), ...(after ? { id: { lt: after } } : {}) },
      select: keyColumns,
      orderBy: { id: 'desc' },
      take,
    });
  },

  createApiKey(
    { db, organizationId }: Tenant,
    key: {
      id: string;
      userId: string;
      name: string;
      prefix: string;
      hash: string;
      expiresAt: Date | null;
      createdAt: Date;
    },
  ) {
    return db.apiKey.create({ data: { ...key, organizationId }, select: keyColumns });
  },

  /** Deletes a key; of one member or of anybody. True when there was one. */
  async deleteApiKey({ db, organizationId }: Tenant, id: string, userId: string | null): Promise<boolean> {
    const { count } = await db.apiKey.deleteMany({
      where: { organizationId, id, ...(userId ? { userId } : {}) },
    });
    return count > 0;
  },
};
