import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { AccountProof } from './person.js';

/** An account as it is written. */
export interface NewAccount {
  id: string;
  userId: string;
  system: ExternalSystem;
  externalId: string;
  handle: string | null;
  email: string | null;
  proof: AccountProof;
  at: Date;
}

const shown = { id: true, userId: true, externalId: true, handle: true, proof: true } as const;
const isThere = { proof: { not: 'disconnected' } } as const;

/** The only writer of external accounts and of the links by which people connect them. */
export const externalAccountsStore = {
  async byId({ db, organizationId }: Tenant, system: ExternalSystem, externalId: string) {
    const row = await db.externalAccount.findUnique({
      where: { organizationId_system_externalId: { organizationId, system, externalId } },
      select: shown,
    });
    return row && { ...row, proof: row.proof as AccountProof };
  },

  async ofMember({ db, organizationId }: Tenant, userId: string, system: ExternalSystem) {
    const row = await db.externalAccount.findUnique({
      where: { organizationId_userId_system: { organizationId, userId, system } },
      select: shown,
    });
    return row && { ...row, proof: row.proof as AccountProof };
  },

  /** Of one member, those that are connected. */
  listOf({ db, organizationId }: Tenant, userId: string) {
    return db.externalAccount.findMany({
      where: { organizationId, userId, ...isThere },
      select: { ...shown, system: true },
      orderBy: { system: 'asc' },
    });
  },

  /** Whether a handle was last seen with another id. Handles are the same in upper and lower case. */
  async isHandleOfAnother(
    { db, organizationId }: Tenant,
    { system, externalId, handle }: { system: ExternalSystem; externalId: string; handle: string },
  ): Promise<boolean> {
    const rows = await db.$queryRaw<unknown[]>`
      select 1 from external_account
       where organization_id = ${organizationId}::uuid and system = ${system} and external_id <> ${externalId}
         and lower(handle collate "C") = lower(${handle}::text collate "C") limit 1`;
    return rows.length > 0;
  },

  /** Members who have this address and proved it, in a comparison of ASCII letters alone. */
  membersWithEmail(
    { db, organizationId }: Tenant,
    system: ExternalSystem,
    email: string,
  ): Promise<{ userId: string; hasAccount: boolean }[]> {
    return db.$queryRaw`
      select m.user_id as "userId",
             exists (select 1 from external_account a
                      where a.organization_id = m.organization_id and a.user_id = m.user_id and a.system = ${system}) as "hasAccount"
        from member m join "user" u on u.id = m.user_id
       where m.organization_id = ${organizationId}::uuid and u.email_verified_at is not null
         and lower(btrim(u.email) collate "C") = ${email}`;
  },

  /** False when this account, or one of this member, is there already: another was first. */
  async add({ db, organizationId }: Tenant, { at, ...account }: NewAccount): Promise<boolean> {
    const row = { ...account, organizationId, createdAt: at, updatedAt: at };
    const { count } = await db.externalAccount.createMany({ data: [row], skipDuplicates: true });
    return count > 0;
  },

  /** The name of an account as it is now. Whoever had it here before has it no more: names are one person's at a time. */
  async takeHandle(
    { db, organizationId }: Tenant,
    { id, system, handle }: { id: string; system: ExternalSystem; handle: string },
    updatedAt: Date,
  ): Promise<void> {
    await db.$executeRaw`
      update external_account set handle = null, updated_at = ${updatedAt}
       where organization_id = ${organizationId}::uuid and system = ${system} and id <> ${id}::uuid
         and lower(handle collate "C") = lower(${handle}::text collate "C")`;
    await db.externalAccount.updateMany({ where: { organizationId, id }, data: { handle, updatedAt } });
  },

  /** A member gave it back: remembered, so that their address does not connect it again by itself. */
  async disconnect({ db, organizationId }: Tenant, id: string, at: Date): Promise<boolean> {
    const { count } = await db.externalAccount.updateMany({
      where: { organizationId, id, ...isThere },
      data: { proof: 'disconnected', updatedAt: at },
    });
    return count > 0;
  },

  async remove({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.externalAccount.deleteMany({ where: { organizationId, id } });
  },

  /** Whoever is about this account waits here until the one who was first has committed. */
  async lock({ db, organizationId }: Tenant, system: ExternalSystem, externalId: string): Promise<void> {
    const name = `${system} account ${externalId} in ${organizationId}`;
    await db.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
  },

  async hasOpenLink(
    { db, organizationId }: Tenant,
    system: ExternalSystem,
    externalId: string,
    now: Date,
  ): Promise<boolean> {
    const where = { organizationId, system, externalId, usedAt: null, expiresAt: { gt: now } };
    return (await db.accountLink.count({ where })) > 0;
  },

  async addLink(
    { db, organizationId }: Tenant,
    link: {
      id: string;
      system: ExternalSystem;
      externalId: string;
      handle: string | null;
      hash: string;
      createdAt: Date;
      expiresAt: Date;
    },
  ): Promise<void> {
    await db.accountLink.createMany({ data: [{ ...link, organizationId }] });
  },

  link({ db, organizationId }: Tenant, id: string) {
    return db.accountLink.findFirst({
      where: { organizationId, id },
      select: { id: true, system: true, externalId: true, handle: true, expiresAt: true, usedAt: true },
    });
  },

  /** Uses links to an account up: it is connected. */
  async useLinks(
    { db, organizationId }: Tenant,
    system: ExternalSystem,
    externalId: string,
    at: Date,
  ): Promise<void> {
    await db.accountLink.updateMany({
      where: { organizationId, system, externalId, usedAt: null },
      data: { usedAt: at },
    });
  },
};

export type ExternalAccountRow = NonNullable<Awaited<ReturnType<typeof externalAccountsStore.byId>>>;
