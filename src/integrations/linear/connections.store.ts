import type { Tenant } from '../../database/index.js';

export interface NewConnection {
  linearOrganizationId: string;
  name: string;
  urlKey: string;
  appUserId: string;
  appUserName: string;
  credentialId: string;
  scopes: string[];
  connectedBy: string;
  at: Date;
}

/** The only writer of ties to Linear. */
export const linearConnectionsStore = {
  find({ db, organizationId }: Tenant) {
    return db.linearConnection.findFirst({
      where: { organizationId },
      include: {
        credential: {
          select: {
            status: true,
            lastError: true,
            connectedAt: true,
            connector: { select: { id: true, name: true } },
          },
        },
      },
    });
  },

  /** Who Berth is there; null: they are not tied. */
  async self({ db, organizationId }: Tenant): Promise<{ appUserId: string; name: string } | null> {
    const row = await db.linearConnection.findFirst({
      where: { organizationId },
      select: { appUserId: true, appUserName: true },
    });
    return row && { appUserId: row.appUserId, name: row.appUserName };
  },

  /** Whether they are tied with this user of the app's; nobody unties them until the transaction ends. */
  async holds({ db, organizationId }: Tenant, appUserId: string): Promise<boolean> {
    const found = await db.$queryRaw<unknown[]>`
      select 1 from linear_connection
       where organization_id = ${organizationId}::uuid and app_user_id = ${appUserId} for share`;
    return found.length > 0;
  },

  /** Ties them, or brings the tie up to date. Throws a unique violation where another organization is tied to this one of Linear's. */
  async save({ db, organizationId }: Tenant, { at, ...connection }: NewConnection): Promise<void> {
    const data = { ...connection, updatedAt: at };
    await db.linearConnection.upsert({
      where: { organizationId },
      create: { organizationId, ...data, createdAt: at },
      update: data,
    });
  },

  async remove({ db, organizationId }: Tenant): Promise<boolean> {
    const { count } = await db.linearConnection.deleteMany({ where: { organizationId } });
    return count > 0;
  },
};

export type ConnectionRow = NonNullable<Awaited<ReturnType<typeof linearConnectionsStore.find>>>;
