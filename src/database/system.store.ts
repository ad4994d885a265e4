import { isId } from '../kernel/index.js';
import { Prisma, type PrismaClient } from './generated/client.js';
import { createClient, createPool } from './database.js';
import { ConnectionsStore } from './connections.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { GithubAppStore } from './github-app.store.js';
import { HostsStore } from './hosts.store.js';
import { IssuerKeysStore } from './issuer-keys.store.js';
import { KeysStore } from './keys.store.js';
import { LoginAttemptsStore } from './login-attempts.store.js';
import { WatermarksStore } from './watermarks.store.js';
import { RenewalsStore } from './renewals.store.js';
import { ConversationsStore } from './conversations.store.js';
import { PullRequestsStore } from './pull-requests.store.js';
import { Transactions } from './transactions.js';
import { tryLock } from './try-lock.js';
import type { Tenant, Transaction } from './unit.js';

/** What else is written in the same transaction, as its last act: the audit entry. */
type Inside = (db: Transaction) => Promise<void>;

export interface PersonRow {
  id: string;
  name: string;
  email: string;
  instanceAdministrator: boolean;
}

/** Whom a machine token speaks for. */
export interface MachineTokenRow {
  organizationId: string;
  workspaceId: string;
  identity: string;
}

export interface MembershipRow {
  organizationId: string;
  slug: string;
  name: string;
  maxRequestsPerSecond: number;
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

/** A workspace as the sweep knows it. */
export interface ExistingWorkspace {
  id: string;
  organizationId: string;
  hostId: string | null;
}

/** Before every id. */
const NIL_ID = '00000000-0000-0000-0000-000000000000';

const person = { id: true, name: true, email: true, instanceAdministrator: true } as const;

/** An answer that is kept for a retry, sealed (src/app/idempotency). Its id is a digest of whose it is and of the key they chose. */
export interface KeptAnswerRow {
  id: string;
  sealed: string;
  keyId: string;
  createdAt: Date;
  expiresAt: Date;
}

/** Stands for the scope of a transaction that is no organization's. */
const INSTANCE = 'instance';

/** One process at a time decides whether this is the first run; the number is arbitrary and ours. */
const FIRST_RUN_LOCK = 7_301_001;

/**
 * Everything that must see more than one tenant, with a login of its own whose grants end where this list ends (rule 5): finding out who calls,
 * founding organizations, and the sweep's look over all workspaces. It reads no secret and no work of any tenant.
 */
export class SystemStore {
  readonly #client: PrismaClient;
  readonly #transactions: Transactions;
  readonly hosts: HostsStore;
  readonly keys: KeysStore;
  readonly connections: ConnectionsStore;
  readonly deliveries: DeliveriesStore;
  readonly loginAttempts: LoginAttemptsStore;
  readonly renewals: RenewalsStore;
  readonly watermarks: WatermarksStore;
  readonly conversations: ConversationsStore;
  readonly pullRequests: PullRequestsStore;
  readonly issuerKeys: IssuerKeysStore;
  readonly githubApp: GithubAppStore;

  constructor(systemUrl: string) {
    const pool = createPool(systemUrl);
    this.#client = createClient(pool);
    this.#transactions = new Transactions(this.#client);
    this.hosts = new HostsStore(this.#client);
    this.connections = new ConnectionsStore(this.#client);
    this.deliveries = new DeliveriesStore(this.#client, pool);
    this.loginAttempts = new LoginAttemptsStore(this.#client);
    this.renewals = new RenewalsStore(this.#client);
    this.watermarks = new WatermarksStore(this.#client);
    this.conversations = new ConversationsStore(this.#client);
    this.pullRequests = new PullRequestsStore(this.#client);
    this.keys = new KeysStore(
      () => this.#db,
      (work) => this.#write(work),
    );
    this.issuerKeys = new IssuerKeysStore(
      () => this.#db,
      (work) => this.#write(work),
    );
    this.githubApp = new GithubAppStore(
      () => this.#db,
      (work) => this.#write(work),
    );
  }

  /**
   * Runs `work` in one transaction: what is called of this store inside is a part of it. As `Database.tenant`, for effects that belong to no organization; the two are
   * transactions of two logins and never one.
   */
  async atomic<T>(work: (unit: Pick<Tenant, 'afterCommit'>) => Promise<T>): Promise<T> {
    return this.#transactions.run(INSTANCE, work);
  }

  /** True while nobody has set this Berth up. */
  async isFirstRun(): Promise<boolean> {
    return (await this.#db.user.count()) === 0;
  }

  /** The id of this database, made with it. */
  async instanceId(): Promise<string> {
    return (await this.#db.instance.findFirstOrThrow({ select: { id: true } })).id;
  }

  /** The first person and organization. False when somebody else was first: two set-ups at once end with one. */
  async foundFirst(user: NewPerson, founding: Founding, inside: Inside): Promise<boolean> {
    return this.#write(async (db, last) => {
      await db.$executeRaw`select pg_advisory_xact_lock(${FIRST_RUN_LOCK})`;
      if ((await db.user.count()) > 0) return false;
      await db.user.create({ data: user, select: { id: true } });
      await writeFounding(db, founding);
      last(inside);
      return true;
    });
  }

  /** A further organization of an existing person. Throws a unique violation when the slug is taken. */
  async found(founding: Founding, inside: Inside): Promise<void> {
    await this.#write(async (db, last) => {
      await writeFounding(db, founding);
      last(inside);
    });
  }

  async findPersonByEmail(email: string): Promise<(PersonRow & { passwordHash: string | null }) | null> {
    return this.#db.user.findUnique({ where: { email }, select: { ...person, passwordHash: true } });
  }

  async findPerson(id: string): Promise<PersonRow | null> {
    return this.#db.user.findUnique({ where: { id }, select: person });
  }

  /** The id of the organization with this slug or id. */
  async findOrganization(slugOrId: string): Promise<string | null> {
    // Postgres refuses a NUL as no text at all, and no slug has one.
    if (slugOrId.includes('\0')) return null;
    const where = isId(slugOrId) ? { id: slugOrId } : { slug: slugOrId };
    return (await this.#db.organization.findUnique({ where, select: { id: true } }))?.id ?? null;
  }

  async membershipsOf(userId: string): Promise<MembershipRow[]> {
    const rows = await this.#db.member.findMany({
      where: { userId },
      select: {
        role: true,
        organization: { select: { id: true, slug: true, name: true, maxRequestsPerSecond: true } },
      },
      orderBy: { createdAt: 'asc' },
    });
    return rows.map(({ role, organization: { id, ...organization } }) => ({
      organizationId: id,
      ...organization,
      role,
    }));
  }

  /** The key with this prefix, whose it is, and the one organization it reaches. The caller compares the hash. */
  async findApiKey(prefix: string) {
    const key = await this.#db.apiKey.findUnique({
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
    // Key and member are read by two queries, and the types do not know it: who was removed between them has no key any more.
    const member = key?.member as NonNullable<typeof key>['member'] | null | undefined;
    return key && member ? { ...key, member } : null;
  }

  async touchApiKey(id: string, lastUsedAt: Date): Promise<void> {
    // updateMany: the key may have been deleted a moment ago, which is nothing to complain about here.
    await this.#db.apiKey.updateMany({ where: { id }, data: { lastUsedAt } });
  }

  /** The invitation with a token of this hash, of whichever organization. What becomes of it is written inside that organization. */
  async findInvitation(hash: string): Promise<InvitationRow | null> {
    return this.#db.invitation.findUnique({
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

  async createSession(
    session: { id: string; userId: string; hash: string; expiresAt: Date; createdAt: Date },
    inside: Inside,
  ): Promise<void> {
    await this.#write(async (db, last) => {
      await db.session.create({ data: session });
      last(inside);
    });
  }

  async findSession(hash: string): Promise<{ id: string; expiresAt: Date; user: PersonRow } | null> {
    return this.#db.session.findUnique({
      where: { hash },
      select: { id: true, expiresAt: true, user: { select: person } },
    });
  }

  /** Those of these sessions that are there and have not expired. */
  async validSessions(ids: string[], now: Date): Promise<Set<string>> {
    const rows = await this.#db.session.findMany({
      where: { id: { in: ids }, expiresAt: { gt: now } },
      select: { id: true },
    });
    return new Set(rows.map(({ id }) => id));
  }

  async deleteSession(id: string, inside: Inside): Promise<void> {
    await this.#write(async (db, last) => {
      await db.session.deleteMany({ where: { id } });
      last(inside);
    });
  }

  async deleteExpiredSessions(now: Date): Promise<void> {
    await this.#write((db) => db.session.deleteMany({ where: { expiresAt: { lt: now } } }));
  }

  /** Which workspace each of these machine tokens speaks for, and as what, by its hash. One statement, however many they are: a crowd asks at once. */
  async findMachineTokens(hashes: string[]): Promise<Map<string, MachineTokenRow>> {
    const rows = await this.#db.$queryRaw<(MachineTokenRow & { hash: string })[]>`
      select hash, organization_id as "organizationId", workspace_id as "workspaceId", identity
        from machine_token where hash = any (${hashes}::text[])`;
    return new Map(rows.map(({ hash, ...row }) => [hash, row]));
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
    const theirs = isHosts
      ? Prisma.sql`host_id = ${whose.host}::uuid`
      : Prisma.sql`(host_id is null or host_id = any(${whose.lost}::uuid[]))`;
    // A failed one that still has machine tokens was not cleaned up yet: its runner may live. Only its own host can see to that.
    const cleanedUp = isHosts
      ? Prisma.sql`not exists (select 1 from machine_token where workspace_id = workspace.id)`
      : Prisma.sql`true`;
    // In the words of the index workspace_awake, as literals: with parameters Postgres could not know that it fits.
    return this.#db.$queryRaw<{ id: string; organizationId: string }[]>`
      select id, organization_id as "organizationId" from workspace
       where (state <> 'hibernated' or desired_state <> 'hibernated')
         and ${theirs}
         and not (state = 'failed' and desired_state <> 'deleted' and ${cleanedUp})
         and id > ${after ?? NIL_ID}::uuid
       order by id limit ${limit}`;
  }

  /** How many workspaces are in each state, in the whole instance. A count over an index that begins with the state. */
  async countWorkspaces(): Promise<{ state: string; count: number }[]> {
    const groups = await this.#client.workspace.groupBy({ by: ['state'], _count: true });
    return groups.map(({ state, _count }) => ({ state, count: _count }));
  }

  /** Of these ids, those that are workspaces of any organization: the rest are orphans of the runtime. */
  async existingWorkspaces(ids: string[]): Promise<ExistingWorkspace[]> {
    // One parameter: a host may have more folders than a query may have parameters.
    return this.#db.$queryRaw<ExistingWorkspace[]>`
      select id, organization_id as "organizationId", host_id as "hostId" from workspace where id = any(${ids}::uuid[])`;
  }

  /** Names of the migrations that this database has. */
  async bookedMigrations(): Promise<string[]> {
    const rows = await this.#client.$queryRaw<{ name: string }[]>`
      select migration_name as name from _prisma_migrations where rolled_back_at is null`;
    return rows.map(({ name }) => name);
  }

  async bookSealingKey(key: { id: string; proof: string; createdAt: Date }): Promise<void> {
    await this.keys.book(key);
  }

  /** Takes the lock of a kept answer until the transaction ends; false when another has it. Inside `atomic`. */
  async lockAnswer(id: string): Promise<boolean> {
    return tryLock(this.#db, id);
  }

  /** An answer to a request outside of any organization. */
  async findAnswer(id: string): Promise<KeptAnswerRow | null> {
    return this.#db.idempotentInstanceAnswer.findUnique({ where: { id } });
  }

  async keepAnswer(row: KeptAnswerRow): Promise<void> {
    await this.#write((db) => db.idempotentInstanceAnswer.create({ data: row }));
  }

  async removeAnswer(id: string): Promise<void> {
    await this.#write((db) => db.idempotentInstanceAnswer.deleteMany({ where: { id } }));
  }

  /** Removes kept answers whose time is over, of all organizations and of none; answers how many. */
  async deleteExpiredAnswers(now: Date): Promise<number> {
    const expired = { where: { expiresAt: { lte: now } } };
    const ofOrganizations = await this.#db.idempotentAnswer.deleteMany(expired);
    const ofInstance = await this.#db.idempotentInstanceAnswer.deleteMany(expired);
    return ofOrganizations.count + ofInstance.count;
  }

  /** A write as a part of its own: one that fails inside `atomic` is undone alone, and its caller may go on another way. `last` is for what has to be the last act. */
  async #write<T>(work: (db: Transaction, last: (inside: Inside) => void) => Promise<T>): Promise<T> {
    return this.#transactions.run(INSTANCE, (unit) =>
      work(unit.db, (inside) => {
        unit.beforeCommit(() => inside(unit.db));
      }),
    );
  }

  get #db(): Transaction {
    return this.#transactions.current?.tenant.db ?? this.#client;
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
  }
}

async function writeFounding(db: Transaction, { organization, owner, apiKey }: Founding): Promise<void> {
  await db.organization.create({ data: organization });
  await db.member.create({
    data: { organizationId: organization.id, userId: owner.id, role: 'owner', createdAt: owner.createdAt },
  });
  await db.apiKey.create({ data: { ...apiKey, organizationId: organization.id, userId: owner.id } });
}
