import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { messageOf, silentMetrics, type Metrics } from '../kernel/index.js';
import { PrismaClient, type Prisma } from './generated/client.js';
import { PooledClient } from './pooled-client.js';
import { tellThroughPostgres, type Tell } from './tell.js';
import { Transactions } from './transactions.js';
import type { Tenant } from './unit.js';

/** Connections per process and login. Few, because BullMQ holds some of its own and embedded Postgres admits 100. */
const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 10_000;

/** How long a transaction may stand still before Postgres ends it: for a row that another holds, and while its process says nothing. */
export interface StillBounds {
  waitMs: number;
  idleMs: number;
}

/**
 * As long as a transaction may take at all, which its process sees to: a statement that waits hears nothing of that, and would keep its connection, one of few, for as long as the row is held. A process that is
 * stopped in the middle sees to nothing, and would hold what it locked for as long as it is.
 */
const STILL_BOUNDS: StillBounds = { waitMs: 15_000, idleMs: 60_000 };

/** What fits into a JSON column. */
export type JsonObject = Prisma.InputJsonObject;

/** The database as the app's login sees it. */
export class Database {
  readonly #client: PrismaClient;
  readonly #transactions: Transactions;

  constructor(
    appUrl: string,
    tell: Tell = tellThroughPostgres,
    metrics: Metrics = silentMetrics,
    private readonly bounds: StillBounds = STILL_BOUNDS,
  ) {
    this.#client = createClient(createPool(appUrl));
    this.#transactions = new Transactions(this.#client, tell, metrics);
  }

  /**
   * Runs `work` in one transaction with the organization set. Keep it short and never await HTTP inside (rule 1): the pool is small. Called inside the `work` of
   * another, it is a part of that one: so an answer can be kept in the same transaction as what it tells of.
   */
  async tenant<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    const [waitMs, idleMs] = [String(this.bounds.waitMs), String(this.bounds.idleMs)];
    return this.#transactions.run(
      organizationId,
      work,
      // `local` (the `true`) ends the settings with the transaction, so that a pooled connection carries them to nobody else.
      (db) => db.$executeRaw`
        select set_config('berth.org', ${organizationId}, true), set_config('lock_timeout', ${waitMs}, true),
               set_config('idle_in_transaction_session_timeout', ${idleMs}, true)`,
    );
  }

  /** As `tenant`, in a transaction of its own also inside another: for what has to stay whatever becomes of that one. Two connections at once; use it rarely. */
  async apart<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    return this.#transactions.outside(() => this.tenant(organizationId, work));
  }

  /** Answers when the database does; throws when it does not. */
  async ping(): Promise<void> {
    await this.#client.$queryRaw`select 1`;
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
  }
}

/** The connections of one login. */
export function createPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    Client: PooledClient,
    connectionString,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // One that ends while nobody uses it is nobody's trouble, and without a listener the end of the process.
  pool.on('error', () => undefined);
  return pool;
}

/** Prisma on these connections, which end with it. */
export function createClient(pool: pg.Pool): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: true }), log: [] });
}

/** True when a write was refused because a row with that unique value is there already. */
export function isUniqueViolation(error: unknown): boolean {
  if (hasCode(error, 'P2002')) return true;
  // Of a statement written by hand.
  const { meta } = (error ?? {}) as { meta?: { driverAdapterError?: { cause?: { kind?: string } } } };
  return meta?.driverAdapterError?.cause?.kind === 'UniqueConstraintViolation';
}

/** What Postgres says when it ended a transaction for the sake of another: deadlock_detected, serialization_failure. */
const CONFLICT_CODES = ['40P01', '40001'];

/** True when a transaction was ended because another one stood in its way: nothing of it was done, and doing it again will most likely work. */
export function isConflict(error: unknown): boolean {
  if (hasCode(error, 'P2034')) return true;
  if (error instanceof StatementFailed) return CONFLICT_CODES.some((code) => hasCode(error.cause, code));
  const { meta } = (error ?? {}) as {
    meta?: { code?: unknown; driverAdapterError?: { cause?: { kind?: unknown; originalCode?: unknown } } };
  };
  const { kind, originalCode } = meta?.driverAdapterError?.cause ?? {};
  return (
    kind === 'TransactionWriteConflict' ||
    [meta?.code, originalCode].some((code) => CONFLICT_CODES.includes(String(code)))
  );
}

/** The key with which somebody wanted to seal although it was retired (the trigger `refuse_retired_key`); null for any other error. */
export function retiredKeyOf(error: unknown): string | null {
  const { message } = (error ?? {}) as { message?: unknown };
  return /berth: the encryption key (\S+) was retired/.exec(String(message))?.[1] ?? null;
}

/** Prisma's codes of a server that is not reached, ended the connection, or has no connection to give in time. */
const UNAVAILABLE_CODES = ['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2037'];
/** What a socket says of the same. Only of our own connections: others have sockets, too. */
const SOCKET_CODES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'];

/** A statement failed that Prisma was not asked for: what the connection said stands in its cause. */
export class StatementFailed extends Error {
  override readonly name = 'StatementFailed';

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** What @prisma/adapter-pg calls the same where Prisma has no code of its own. */
const UNAVAILABLE_KINDS = [
  'DatabaseNotReachable',
  'ConnectionClosed',
  'TooManyConnections',
  'SocketTimeout',
  'TlsConnectionError',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  'AuthenticationFailed',
];

/** lock_not_available: a row was held by another for as long as anybody waits. */
const HELD = '55P03';

/** What pg says, in plain errors that the adapter hands on as they are. */
const UNAVAILABLE_MESSAGE =
  /Client (has encountered a connection error|was closed) and is not queryable|Connection terminated|timeout exceeded when trying to connect/;

/** True when a query failed because of the server and not of the query: it is down, starting, stopping, has no connection left, or what was asked for is held by another. Asking again may help. */
export function isUnavailable(error: unknown): boolean {
  if (UNAVAILABLE_CODES.some((code) => hasCode(error, code))) return true;
  if (error instanceof StatementFailed && SOCKET_CODES.some((code) => hasCode(error.cause, code)))
    return true;
  const { message, meta } = (error ?? {}) as {
    message?: unknown;
    meta?: { driverAdapterError?: { cause?: object } };
  };
  if (error instanceof Error && UNAVAILABLE_MESSAGE.test(error.message)) return true;
  // All connections of the pool are taken, or the transaction ran into its time limit, and nothing of it was done.
  if (hasCode(error, 'P2028') && /Unable to start a transaction|expired transaction/.test(String(message)))
    return true;
  // FATAL is Postgres' word for an error that ends the connection, or refuses it.
  const said = error instanceof StatementFailed ? error.cause : meta?.driverAdapterError?.cause;
  const { kind, severity, code, originalCode } = (said ?? {}) as Record<string, unknown>;
  return (
    severity === 'FATAL' || [code, originalCode].includes(HELD) || UNAVAILABLE_KINDS.includes(String(kind))
  );
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
