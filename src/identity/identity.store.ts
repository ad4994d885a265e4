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

const limitColumns = { maxWorkspaces: true, maxRunning: true, maxRequestsPerSecond: true } as const;

/** Who accepts an invitation and had no account. */
export interface NewPerson {
  id: string;
  email: string;
  name: string;
  passwordHash: string;
  createdAt: Date;
}

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
      select: { role: true, createdAt: true, user: { select: { id: true, name: true, email: true } } },
    });
  },

  /** The roles of those of these people who are members. */
  async roles({ db, organizationId }: Tenant, userIds: string[]): Promise<Map<string, string>> {
    const rows = await db.member.findMany({
      where: { organizationId, userId: { in: userIds } },
      select: { userId: true, role: true },
    });
    return new Map(rows.map(({ userId, role }) => [userId, role]));
  },

  /** Those of these API keys that are there and have not expired. */
  async validApiKeys({ db, organizationId }: Tenant, ids: string[], now: Date): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await db.apiKey.findMany({
      where: { organizationId, id: { in: ids }, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
      select: { id: true },
    });
    return new Set(rows.map(({ id }) => id));
  },

  limits({ db, organizationId }: Tenant) {
    return db.organization.findUniqueOrThrow({ where: { id: organizationId }, select: limitColumns });
  },

  /** As `limits`, with the row locked until the transaction ends; not against those who only refer to the organization. */
  async lockLimits(tenant: Tenant) {
    const { db, organizationId } = tenant;
    await db.$queryRaw`select 1 from organization where id = ${organizationId}::uuid for no key update`;
    return identityStore.limits(tenant);
  },

  /** What is undefined stays as it is. */
  changeLimits(
    { db, organizationId }: Tenant,
    change: { [Name in keyof typeof limitColumns]?: number | undefined },
  ) {
    return db.organization.update({ where: { id: organizationId }, data: change, select: limitColumns });
  },

  /** What a member wants their work done with. */
  preferences({ db, organizationId }: Tenant, userId: string) {
    return db.member.findUnique({
      where: { organizationId_userId: { organizationId, userId } },
      select: { preferredAgent: true, preferredModel: true },
    });
  },

  async setPreferences(
    { db, organizationId }: Tenant,
    userId: string,
    data: { preferredAgent: string | null | undefined; preferredModel: string | null | undefined },
  ): Promise<void> {
    // Prisma leaves alone what is undefined.
    await db.member.updateMany({ where: { organizationId, userId }, data });
  },

  async automation({ db, organizationId }: Tenant): Promise<boolean> {
    const { automation } = await db.organization.findUniqueOrThrow({
      where: { id: organizationId },
      select: { automation: true },
    });
    return automation;
  },

  async setAutomation({ db, organizationId }: Tenant, automation: boolean): Promise<void> {
    await db.organization.update({
      where: { id: organizationId },
      data: { automation },
      select: { id: true },
    });
  },

  oldestOwner({ db, organizationId }: Tenant) {
    return db.member.findFirst({
      where: { organizationId, role: 'owner' },
      select: { role: true, user: { select: { id: true, name: true, email: true } } },
      orderBy: [{ createdAt: 'asc' }, { userId: 'asc' }],
    });
  },

  organizationFallback({ db, organizationId }: Tenant) {
    return db.organization.findUniqueOrThrow({
      where: { id: organizationId },
      select: { organizationFallback: true },
    });
  },

  async setOrganizationFallback(
    { db, organizationId }: Tenant,
    organizationFallback: boolean,
  ): Promise<void> {
    await db.organization.update({
      where: { id: organizationId },
      data: { organizationFallback },
      select: { id: true },
    });
  },

  async egress({ db, organizationId }: Tenant): Promise<{ decided: boolean; hosts: string[] }> {
    const { egressDecided: decided, egressHosts: hosts } = await db.organization.findUniqueOrThrow({
      where: { id: organizationId },
      select: { egressDecided: true, egressHosts: true },
    });
    return { decided, hosts };
  },

  async setEgress(
    { db, organizationId }: Tenant,
    { decided, hosts }: { decided: boolean; hosts: string[] },
  ): Promise<void> {
    await db.organization.update({
      where: { id: organizationId },
      data: { egressDecided: decided, egressHosts: hosts },
      select: { id: true },
    });
  },

  /** The member with this address (in lower case, as all are written); null when there is none. */
  memberWithEmail({ db, organizationId }: Tenant, email: string) {
    return db.member.findFirst({ where: { organizationId, user: { email } }, select: { userId: true } });
  },

  /**
   * The role of a member, who stays one until the transaction ends; null for who is none. Whoever writes something lasting in a member's name holds them first, and only then
   * locks a workspace: a removal takes its locks in the same order.
   */
  async holdMember({ db, organizationId }: Tenant, userId: string): Promise<string | null> {
    const rows = await db.$queryRaw<{ role: string }[]>`
      select role from member where organization_id = ${organizationId}::uuid and user_id = ${userId}::uuid for key share`;
    return rows[0]?.role ?? null;
  },

  /** The owners and these members, locked: no other change of memberships that could matter to this one happens meanwhile. */
  async lockMembers(
    { db, organizationId }: Tenant,
    userIds: string[],
  ): Promise<{ userId: string; role: string }[]> {
    return db.$queryRaw`
      select user_id as "userId", role from member
       where organization_id = ${organizationId}::uuid and (role = 'owner' or user_id = any (${userIds}::uuid[]))
       order by user_id for update`;
  },

  async setRole({ db, organizationId }: Tenant, userId: string, role: string): Promise<void> {
    await db.member.updateMany({ where: { organizationId, userId }, data: { role } });
  },

  /** Removes a member, and by the table's keys what hangs on the membership: API keys and own credentials. */
  async removeMember({ db, organizationId }: Tenant, userId: string): Promise<void> {
    await db.member.deleteMany({ where: { organizationId, userId } });
  },

  async addMember(
    { db, organizationId }: Tenant,
    member: { userId: string; role: string; createdAt: Date },
  ): Promise<void> {
    await db.member.createMany({ data: [{ ...member, organizationId }] });
  },

  /** A new person. Nothing is read back: until they are a member, the organization does not see them. Throws a unique violation when the address is somebody's. */
  async addPerson({ db }: Tenant, person: NewPerson): Promise<void> {
    const { id, email, name, passwordHash, createdAt } = person;
    await db.$executeRaw`
      insert into "user" (id, email, name, password_hash, email_verified_at, created_at)
      values (${id}::uuid, ${email}, ${name}, ${passwordHash}, ${createdAt}, ${createdAt})`;
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

  /** Deletes a key; of one member or of anybody. Answers what it was; null when there was none. */
  async deleteApiKey({ db, organizationId }: Tenant, id: string, userId: string | null) {
    const where = { organizationId, id, ...(userId ? { userId } : {}) };
    const found = await db.apiKey.findFirst({ where, select: { name: true, prefix: true, userId: true } });
    const { count } = found ? await db.apiKey.deleteMany({ where }) : { count: 0 };
    return count > 0 ? found : null;
  },
};
