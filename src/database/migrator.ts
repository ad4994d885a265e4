import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { PostgresConnection } from 'bullmq';
import { Client } from 'pg';
import { BerthError, messageOf, type Log } from '../kernel/index.js';

/** The key under which `prisma migrate deploy` itself locks, so that it and Berth wait for each other too. */
const PRISMA_LOCK = 72707369;
const MINIMUM_VERSION = 150_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Prisma's own booking table, as its schema engine creates it. */
const BOOKING_TABLE = `
  CREATE TABLE IF NOT EXISTS public._prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
  )`;

export interface MigrateOptions {
  /** Login that owns the database or may create schemas in it. */
  ownerUrl: string;
  /** `prisma/migrations`. */
  migrationsDirectory: string;
  log: Log;
}

/**
 * Brings the database to this build's schema, and BullMQ's schema with it. One process applies, others wait and then find
 * nothing to do. Throws `migration-mismatch` when database and build do not belong together, `migration-failed` when a migration's
 * SQL fails (nothing of it remains), `database-unavailable` and `config-invalid` when there is no fitting server.
 */
export async function migrate({
  ownerUrl,
  migrationsDirectory,
  log,
}: MigrateOptions): Promise<{ applied: string[] }> {
  const known = await readMigrations(migrationsDirectory);
  return withConnection(ownerUrl, async (client) => {
    await assertVersion(client);
    await lock(client, log);
    const pending = await findPending(client, known);
    for (const migration of pending) {
      await apply(client, migration);
      log.info({ migration: migration.name }, 'migration applied');
    }
    await migrateQueue(ownerUrl);
    // The lock ends with the connection.
    return { applied: pending.map((migration) => migration.name) };
  });
}

/** Names of the migrations a start would apply. Changes nothing, and throws what `migrate` would throw before it applies the first. */
export async function pendingMigrations(ownerUrl: string, migrationsDirectory: string): Promise<string[]> {
  const known = await readMigrations(migrationsDirectory);
  return withConnection(ownerUrl, async (client) => {
    await assertVersion(client);
    const { rows } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('public._prisma_migrations') IS NOT NULL AS there`,
    );
    const pending = rows[0]?.there === true ? await compare(client, known) : known;
    return pending.map((migration) => migration.name);
  });
}

/**
 * Opens one plain connection for `work` and closes it. Throws `database-unavailable` when the server cannot be reached and
 * `config-invalid` when it refuses the login; the URL is in neither message.
 */
export async function withConnection<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  // Checked here, because the driver's own error carries the whole text, password and all.
  if (!URL.canParse(url))
    throw new BerthError(
      'config-invalid',
      'A database URL is not a valid URL. Check DATABASE_URL and its relatives.',
    );
  const client = new Client({
    connectionString: url,
    application_name: 'berth',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => undefined); // A lost connection fails the query that runs; without a listener it would end the process.
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw connectError(error);
  }
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function connectError(cause: unknown): BerthError {
  // Class 28 is a refused login, 3D000 a database that does not exist, 42501 no right to connect (PostgreSQL, appendix A).
  const code = sqlState(cause);
  if (code !== undefined && (code.startsWith('28') || code === '3D000' || code === '42501')) {
    return new BerthError(
      'config-invalid',
      `Postgres refuses the login: ${messageOf(cause)}. Check the database URL.`,
      { cause },
    );
  }
  return new BerthError(
    'database-unavailable',
    `Postgres cannot be reached: ${messageOf(cause)}. Check that it runs and that the database URL is right.`,
    { cause },
  );
}

/** The SQLSTATE of an error the server sent (PostgreSQL, appendix A), else undefined. */
export function sqlState(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

interface Migration {
  name: string;
  sql: string;
  /** As Prisma books it: SHA-256 of the file, hexadecimal. */
  checksum: string;
}

/** Names of the migrations of this build, in order. */
export async function migrationNames(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function readMigrations(directory: string): Promise<Migration[]> {
  return Promise.all(
    (await migrationNames(directory)).map(async (name) => {
      const bytes = await readMigration(path.join(directory, name, 'migration.sql'));
      return {
        name,
        sql: bytes.toString('utf8'),
        checksum: createHash('sha256').update(bytes).digest('hex'),
      };
    }),
  );
}

async function readMigration(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new BerthError(
      'migration-mismatch',
      `The migration file ${file} cannot be read. Install Berth again.`,
      { cause },
    );
  }
}

async function assertVersion(client: Client): Promise<void> {
  const { rows } = await client.query<{ number: number; name: string }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name`,
  );
  const version = rows[0];
  if (version === undefined || version.number < MINIMUM_VERSION) {
    throw new BerthError(
      'config-invalid',
      `Berth needs Postgres 15 or newer and this server is ${version?.name ?? 'unknown'}. Upgrade it or choose another DATABASE_URL.`,
    );
  }
}

async function lock(client: Client, log: Log): Promise<void> {
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
    PRISMA_LOCK,
  ]);
  if (rows[0]?.locked === true) return;
  log.info({}, 'waiting for another process that migrates the database');
  await client.query('SET statement_timeout = 0');
  await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK]);
  await client.query('RESET statement_timeout');
}

interface Booking {
  migration_name: string;
  checksum: string;
  finished: boolean;
}

/** What is yet to be applied, in order. Everything that is booked is checked before anything is applied. */
async function findPending(client: Client, known: Migration[]): Promise<Migration[]> {
  await client.query(BOOKING_TABLE).catch((cause: unknown) => {
    if (sqlState(cause) !== '42501') throw cause;
    throw new BerthError(
      'config-invalid',
      'The login of DATABASE_URL may not create tables in the schema public. Make it the owner of the database.',
      { cause },
    );
  });
  return compare(client, known);
}

/** What is known and not booked. */
async function compare(client: Client, known: Migration[]): Promise<Migration[]> {
  const { rows } = await client.query<Booking>(
    `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
       FROM public._prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name`,
  );
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  for (const booking of rows) check(booking, byName.get(booking.migration_name));
  const booked = new Set(rows.map((booking) => booking.migration_name));
  return known.filter((migration) => !booked.has(migration.name));
}

function check(booking: Booking, migration: Migration | undefined): void {
  const name = booking.migration_name;
  if (!booking.finished) {
    throw new BerthError(
      'migration-mismatch',
      `Migration ${name} was begun by another tool and never finished. Look at the database, then settle it with "prisma migrate resolve".`,
    );
  }
  if (migration === undefined) {
    throw new BerthError(
      'migration-mismatch',
      `The database has migration ${name}, which this version of Berth does not know: it belongs to a newer one. Start that version, or restore a backup.`,
    );
  }
  if (migration.checksum !== booking.checksum) {
    throw new BerthError(
      'migration-mismatch',
      `Migration ${name} is not the one that was applied to this database. Install an unchanged release of Berth.`,
    );
  }
}

/** Applies one migration and books it: both or neither, whenever the process or the connection ends. */
async function apply(client: Client, migration: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    // Without parameters this is the simple protocol, in which the server splits the statements itself, dollar quotes and all.
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO public._prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES (gen_random_uuid()::text, $1, $2, now(), clock_timestamp(), 1)`,
      [migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw new BerthError(
      'migration-failed',
      `Migration ${migration.name} failed and left nothing behind: ${messageOf(cause)}. Mend the cause and start Berth again.`,
      { cause },
    );
  }
}

async function migrateQueue(ownerUrl: string): Promise<void> {
  const connection = new PostgresConnection({
    connectionString: ownerUrl,
    schema: 'bullmq',
    migrate: true,
    max: 1,
  });
  connection.on('error', () => undefined);
  try {
    await connection.waitUntilReady();
  } catch (cause) {
    throw new BerthError(
      'migration-failed',
      `The schema of the job queue could not be made: ${messageOf(cause)}.`,
      { cause },
    );
  } finally {
    await connection.close();
  }
}
