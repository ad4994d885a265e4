import type { Role } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import type { Slice } from '../http/index.js';

const isOpen = { acceptedAt: null, revokedAt: null } as const;

const shown = {
  id: true,
  email: true,
  role: true,
  invitedBy: true,
  createdAt: true,
  expiresAt: true,
} as const;

/** The only writer of invitations. */
export const invitationsStore = {
  async create(
    { db, organizationId }: Tenant,
    invitation: {
      id: string;
      email: string;
      role: Role;
      hash: string;
      invitedBy: string;
      createdAt: Date;
      expiresAt: Date;
    },
  ): Promise<void> {
    await db.invitation.createMany({ data: [{ ...invitation, organizationId }] });
  },

  /** Newest first; those that can still end some way. */
  open({ db, organizationId }: Tenant, { after, take }: Slice) {
    return db.invitation.findMany({
      where: { organizationId, ...isOpen, ...(after ? { id: { lt: after } } : {}) },
      select: shown,
      orderBy: { id: 'desc' },
      take,
    });
  },

  /** Ends one that is open. Null when there is none, or somebody was first. */
  async revoke({ db, organizationId }: Tenant, id: string, at: Date) {
    const { count } = await db.invitation.updateMany({
      where: { organizationId, id, ...isOpen },
      data: { revokedAt: at },
    });
    return count > 0 ? db.invitation.findUnique({ where: { id }, select: shown }) : null;
  },

  /** Ends those that are open for an address: another takes their place. Whoever makes one of the same address at the same moment waits here, until this one is committed. */
  async revokeOf({ db, organizationId }: Tenant, email: string, at: Date): Promise<void> {
    const place = `invitation of ${email} to ${organizationId}`;
    await db.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${place}, 0))`;
    await db.invitation.updateMany({
      where: { organizationId, email, ...isOpen },
      data: { revokedAt: at },
    });
  },

  /** Ends those that a member made and may not make any more: nobody gets in by the word of who has nothing to say. */
  async revokeBy(
    { db, organizationId }: Tenant,
    invitedBy: string,
    roles: readonly Role[],
    at: Date,
  ): Promise<void> {
    await db.invitation.updateMany({
      where: { organizationId, invitedBy, role: { in: [...roles] }, ...isOpen },
      data: { revokedAt: at },
    });
  },

  /** Uses an invitation up, once: of many at a time one gets true. */
  async accept({ db, organizationId }: Tenant, id: string, userId: string, at: Date): Promise<boolean> {
    const { count } = await db.invitation.updateMany({
      where: { organizationId, id, ...isOpen, expiresAt: { gt: at } },
      data: { acceptedAt: at, acceptedBy: userId },
    });
    return count > 0;
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.invitation.findFirst({
      where: { organizationId, id },
      select: { acceptedAt: true, revokedAt: true, expiresAt: true },
    });
  },
};
