import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient, type Prisma } from './generated/client.js';

/** Connections per process and login. Few, because BullMQ holds some of its own and embedded Postgres admits 100. */
const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 10_000;
const TRANSACTION_TIMEOUT_MS = 15_000;

/** What fits into a JSON column. */
export type JsonObject = Prisma.InputJsonObject;

/**
 * A transaction inside one organization. Every store call takes one, so that no query can be written without saying whose rows it means; row-level
 * security, set to the same organization, is the second guard (rule 5).
 */
export interface Tenant {
  readonly organizationId: string;
  readonly db: Prisma.TransactionClient;
}

/** The database as the app's login sees it. */
export class Database {
  readonly #client: PrismaClient;

  constructor(appUrl: string) {
    this.#client = createClient(appUrl);
  }

  /**
   * Runs `work` in one transaction with the organization set. Keep it short and never await HTTP inside (rule 1): the pool is small.
   * `local` (the `true`) ends the setting with the transaction, so that a pooled connection carries it to nobody else.
   */
  tenant<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    return this.#client.$transaction(
      async (db) => {
        await db.$executeRaw`select set_config('berth.org', ${organizationId}, true)`;
        return work({ organizationId, db });
      },
      { timeout: TRANSACTION_TIMEOUT_MS, maxWait: TRANSACTION_TIMEOUT_MS },
    );
  }

  /** Answers when the database does; throws when it does not. */
  async ping(): Promise<void> {
    await this.#client.$queryRaw`select 1`;
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
  }
}

export function createClient(connectionString: string): PrismaClient {
  const adapter = new PrismaPg({
    connectionString,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  return new PrismaClient({ adapter, log: [] });
}

/** True when a write was refused because a row with that unique value is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return hasCode(error, 'P2002');
}

/** True when an update or delete found no row. */
export function isMissingRow(error: unknown): boolean {
  return hasCode(error, 'P2025');
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
