import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Client, escapeIdentifier } from 'pg';
import type { LoginUrls } from '../../src/database/logins.js';

/** The server of this run, as `postgres-server.ts` writes it down. */
export interface TestPostgres extends LoginUrls {
  superuserUrl: string;
  /** The migrated database that the others are copies of. */
  template: string;
  /** URL of its owner; it takes no connections. */
  ownerUrl: string;
}

/** A database of one test. */
export interface TestDatabase extends LoginUrls {
  ownerUrl: string;
  /** Removes it, and throws out who is still connected. */
  drop(): Promise<void>;
}

/** Copies from one template wait for each other: a second one would fail while the first reads it. */
const COPY_LOCK = 0x74_65_73_74;
const COPY_DEADLINE_MS = 30_000;
const OBJECT_IN_USE = '55006';

/** A fresh, migrated database with its three logins, in a fraction of a second. Drop it in `afterAll` or `afterEach`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = await testPostgres();
  const name = newName();
  await asSuperuser(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [COPY_LOCK]);
    await copyTemplate(client, name, server.template);
    // Rights on the database itself are not copied.
    const database = escapeIdentifier(name);
    await client.query(`REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${database} TO berth_app, berth_system, berth_queue`);
  });
  return {
    ownerUrl: withDatabase(server.ownerUrl, name),
    appUrl: withDatabase(server.appUrl, name),
    systemUrl: withDatabase(server.systemUrl, name),
    queueUrl: withDatabase(server.queueUrl, name),
    drop: () => drop(name),
  };
}

/** A database with nothing in it, owned by the role of `ownerUrl`; for tests of the migrator and the like. */
export async function createEmptyDatabase(): Promise<Pick<TestDatabase, 'ownerUrl' | 'drop'>> {
  const server = await testPostgres();
  const name = newName();
  await asSuperuser((client) =>
    client.query(`CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE template0 OWNER berth`),
  );
  return { ownerUrl: withDatabase(server.ownerUrl, name), drop: () => drop(name) };
}

/** Runs `work` on a connection of the superuser, which Berth itself never uses. */
export async function asSuperuser<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const { superuserUrl } = await testPostgres();
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The same URL for another database of the server. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}

async function testPostgres(): Promise<TestPostgres> {
  const file = process.env.BERTH_TEST_POSTGRES;
  if (file === undefined) {
    throw new Error('No test database runs. Name the test *.integration.test.ts, so that Jest starts one.');
  }
  return JSON.parse(await readFile(file, 'utf8')) as TestPostgres;
}

function newName(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

/** Copies the files themselves: past the write-ahead log that takes a third of the time, where nobody waits for a disk. */
async function copyTemplate(client: Client, name: string, template: string): Promise<void> {
  const deadline = performance.now() + COPY_DEADLINE_MS;
  for (;;) {
    try {
      await client.query(
        `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)} OWNER berth STRATEGY file_copy`,
      );
      return;
    } catch (error) {
      // The server's own workers (autovacuum) visit the template now and then. It has waited five seconds for them already.
      const code = (error as { code?: unknown }).code;
      if (code !== OBJECT_IN_USE || performance.now() > deadline) throw error;
    }
  }
}

async function drop(name: string): Promise<void> {
  await asSuperuser((client) =>
    client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`),
  );
}
