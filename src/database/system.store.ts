import type { Prisma, PrismaClient } from './generated/client.js';
import { createClient } from './database.js';
import { HostsStore } from './hosts.store.js';

export interface PersonRow {
  id: string;
  name: string;
  email: string;
  instanceAdministrator: boolean;
}

export interface MembershipRow {
  organizationId: string;
  slug: string;
  name: string;
  role: string;
}

export interface InvitationRow {
  id: string;
  organizationId: string;
  email: string;
  role: string;
  expiresAt: Date;
  acceptedAt: Date | null;
  revokedAt: Date | null;
}

/** What founding an organization writes, in one transaction. Ids, hashes and times are the caller's. */
export interface Founding {
  organization: { id: string; slug: string; name: string; createdAt: Date };
  owner: { id: string; createdAt: Date };
  apiKey: { id: string; name: string; prefix: string; hash: string; createdAt: Date };
}

export interface NewPerson {
  id: string;
  email: string;
  name: string;
  passwordHash: string;
  emailVerifiedAt: Date;
  instanceAdministrator: boolean;
  createdAt: Date;
}

const person = { id: true, name: true, email: true, instanceAdministrator: true } as const;

/** One process at a time decides whether this is the first run; the number is arbitrary and ours. */
const FIRST_RUN_LOCK = 7_301_001;

/**
 * Everything that must see more than one tenant, with a login of its own whose grants end where this list ends (rule 5): finding out who calls,
 * founding organizations, and the sweep's look over all workspaces. It reads no secret and no work of any tenant.
 */
export class SystemStore {
  readonly #client: PrismaClient;
  readonly hosts: HostsStore;

  constructor(systemUrl: string) {
    this.#client = createClient(systemUrl);
    this.hosts = new HostsStore(this.#client);
  }

  /** True while nobody has set this Berth up. */
  async isFirstRun(): Promise<boolean> {
    return (await this.#client.user.count()) === 0;
  }

  /** The id of this database, made with it. */
  async instanceId(): Promise<string> {
    return (await this.#client.instance.findFirstOrThrow({ select: { id: true } })).id;
  }

  /** The first person and organization. False when somebody else was first: two set-ups at once end with one. */
  async foundFirst(user: NewPerson, founding: Founding): Promise<boolean> {
    return this.#client.$transaction(async (db) => {
      await db.$executeRaw`select pg_advisory_xact_lock(${FIRST_RUN_LOCK})`;
      if ((await db.user.count()) > 0) return false;
      await db.user.create({ data: user, select: { id: true } });
      await writeFounding(db, founding);
      return true;
    });
  }

  /** A further organization of an existing person. Throws a unique violation when the slug is taken. */
  async found(founding: Founding): Promise<void> {
    await this.#client.$transaction((db) => writeFounding(db, founding));
  }

  async findPersonByEmail(email: string): Promise<(PersonRow & { passwordHash: string | null }) | null> {
    return this.#client.user.findUnique({ where: { email }, select: { ...person, passwordHash: true } });
  }

  async membershipsOf(userId: string): Promise<MembershipRow[]> {
    const rows = await this.#client.member.findMany({
      where: { userId },
      select: { role: true, organization: { select: { id: true, slug: true, name: true } } },
      orderBy: { createdAt: 'asc' },
    });
    return rows.map(({ role, organization: { id, slug, name } }) => ({
      organizationId: id,
      slug,
      name,
      role,
    }));
  }

  /** The key with this prefix, whose it is, and the one organization it reaches. The caller compares the hash. */
  async findApiKey(prefix: string) {
    return this.#client.apiKey.findUnique({
      where: { prefix },
      select: {
        id: true,
        hash: true,
        organizationId: true,
        expiresAt: true,
        lastUsedAt: true,
        member: { select: { user: { select: person } } },
      },
    });
  }

  async touchApiKey(id: string, lastUsedAt: Date): Promise<void> {
    // updateMany: the key may have been deleted a moment ago, which is nothing to complain about here.
    await this.#client.apiKey.updateMany({ where: { id }, data: { lastUsedAt } });
  }

  /** The invitation with a token of this hash, of whichever organization. What becomes of it is written inside that organization. */
  async findInvitation(hash: string): Promise<InvitationRow | null> {
    return this.#client.invitation.findUnique({
      where: { hash },
      select: {
        id: true,
        organizationId: true,
        email: true,
        role: true,
        expiresAt: true,
        acceptedAt: true,
        revokedAt: true,
      },
    });
  }

  async createSession(session: {
    id: string;
    userId: string;
    hash: string;
    expiresAt: Date;
    createdAt: Date;
  }): Promise<void> {
    await this.#client.session.create({ data: session });
  }

  async findSession(hash: string): Promise<{ id: string; expiresAt: Date; user: PersonRow } | null> {
    return this.#client.session.findUnique({
      where: { hash },
      select: { id: true, expiresAt: true, user: { select: person } },
    });
  }

  async deleteSession(id: string): Promise<void> {
    await this.#client.session.deleteMany({ where: { id } });
  }

  async deleteExpiredSessions(now: Date): Promise<void> {
    await this.#client.session.deleteMany({ where: { expiresAt: { lt: now } } });
  }

  /** Which workspace a machine token speaks for, and as what. */
  async findMachineToken(
    hash: string,
  ): Promise<{ organizationId: string; workspaceId: string; identity: string } | null> {
    return this.#client.machineToken.findUnique({
      where: { hash },
      select: { organizationId: true, workspaceId: true, identity: true },
    });
  }

  /**
   * Workspaces the sweep has to ask about, in pages by id: all but those that are at rest. Either those of one host, or those that no host looks after: they have none, or
   * one of the `lost` ones. What is due for each is decided by the workspaces room.
   */
  async workspacesToSweep(
    whose: { host: string } | { lost: string[] },
    after: string | null,
    limit: number,
  ): Promise<{ id: string; organizationId: string }[]> {
    const isHosts = 'host' in whose;
    const failedAtRest: Prisma.WorkspaceWhereInput = {
      state: 'failed',
      NOT: { desiredState: 'deleted' },
      // A failed one that still has machine tokens was not cleaned up yet: its runner may live. Only its own host can see to that.
      ...(isHosts ? { machineTokens: { none: {} } } : {}),
    };
    return this.#client.workspace.findMany({
      where: {
        NOT: [{ state: 'hibernated', desiredState: 'hibernated' }, failedAtRest],
        ...(isHosts ? { hostId: whose.host } : { OR: [{ hostId: null }, { hostId: { in: whose.lost } }] }),
        ...(after ? { id: { gt: after } } : {}),
      },
      select: { id: true, organizationId: true },
      orderBy: { id: 'asc' },
      take: limit,
    });
  }

  /** Of these ids, those that are workspaces of any organization: the rest are orphans of the runtime. */
  async existingWorkspaces(ids: string[]): Promise<string[]> {
    const rows = await this.#client.workspace.findMany({ where: { id: { in: ids } }, select: { id: true } });
    return rows.map(({ id }) => id);
  }

  /** Names of the migrations that this database has. */
  async bookedMigrations(): Promise<string[]> {
    const rows = await this.#client.$queryRaw<{ name: string }[]>`
      select migration_name as name from _prisma_migrations where rolled_back_at is null`;
    return rows.map(({ name }) => name);
  }

  async bookSealingKey(key: { id: string; proof: string; createdAt: Date }): Promise<void> {
    await this.#client.sealingKey.createMany({ data: [key], skipDuplicates: true });
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
  }
}

type Transaction = Parameters<Parameters<PrismaClient['$transaction']>[0]>[0];

async function writeFounding(db: Transaction, { organization, owner, apiKey }: Founding): Promise<void> {
  await db.organization.create({ data: organization });
  await db.member.create({
    data: { organizationId: organization.id, userId: owner.id, role: 'owner', createdAt: owner.createdAt },
  });
  await db.apiKey.create({ data: { ...apiKey, organizationId: organization.id, userId: owner.id } });
}
