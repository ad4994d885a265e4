/**
 * The Postgres of one `jest` run, in a process of its own: when jest ends in whatever way, the channel to it closes and this process
 * stops the server and removes its files. Run as `node --import tsx test/support/postgres-server.ts`, with an IPC channel; with the word `durable` behind it as Berth's own runs, for
 * tests that hurt it.
 */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import { embeddedSuperuserUrl, startEmbeddedPostgres } from '../../src/database/embedded/index.js';
import { ensureGroupRoles, ensureLogins } from '../../src/database/logins.js';
import { migrate } from '../../src/database/migrator.js';
import { messageOf, silentLog } from '../../src/kernel/index.js';
import { endProcesses, processesNaming } from '../e2e/support/processes.js';
import type { TestPostgres } from './postgres.js';
import { BERTH_PREFIX, leftScratches, makeScratch } from './scratch.js';

const PREFIX = 'berth-test-postgres-';
const isThrowaway = process.argv[2] !== 'durable';
const migrationsDirectory = path.join(import.meta.dirname, '..', '..', 'prisma', 'migrations');

async function main(): Promise<void> {
  await removeLeftovers();
  const home = makeScratch(PREFIX);
  const directory = path.join(home, 'postgres');
  const postgres = await startEmbeddedPostgres({ directory, log: silentLog, isThrowaway });

  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending ??= (async () => {
      await postgres.stop();
      await rm(home, { recursive: true, force: true });
      process.exit();
    })();
  };
  process.once('disconnect', end);
  process.on('message', end);
  process.once('SIGTERM', end);
  // Ctrl-C goes to the whole group. Jest decides; its end closes the channel.
  process.on('SIGINT', () => undefined);

  try {
    await ensureGroupRoles(postgres.ownerUrl);
    await migrate({ ownerUrl: postgres.ownerUrl, migrationsDirectory, log: silentLog });
    const logins = await ensureLogins({ ownerUrl: postgres.ownerUrl });
    const superuserUrl = await embeddedSuperuserUrl(directory);
    await closeTemplate(superuserUrl);
    const file = path.join(home, 'postgres.json');
    const content: TestPostgres = { superuserUrl, template: 'berth', ownerUrl: postgres.ownerUrl, ...logins };
    await writeFile(file, JSON.stringify(content), { mode: 0o600 });
    process.send?.({ file });
  } catch (error) {
    process.exitCode = 1;
    process.send?.({ error: messageOf(error) });
    end();
  }
}

/** Nobody may connect to the template: one connection would make every CREATE DATABASE from it fail. */
async function closeTemplate(superuserUrl: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query('ALTER DATABASE berth WITH IS_TEMPLATE true ALLOW_CONNECTIONS false');
  await client.end();
}

/** What runs left behind that were killed: servers are stopped, Berths ended, and their files removed, which may take up memory. */
async function removeLeftovers(): Promise<void> {
  for (const home of leftScratches(BERTH_PREFIX)) {
    await endProcesses(() => processesNaming(home));
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
  for (const home of leftScratches(PREFIX)) {
    try {
      // A start takes over an orphan, and refuses a server that somebody still uses.
      const leftover = await startEmbeddedPostgres({
        directory: path.join(home, 'postgres'),
        log: silentLog,
      });
      await leftover.stop();
      await rm(home, { recursive: true, force: true });
    } catch (error) {
      process.stderr.write(`leftover test database ${home} could not be removed: ${messageOf(error)}\n`);
    }
  }
}

await main().catch((error: unknown) => {
  process.send?.({ error: messageOf(error) });
  process.exitCode = 1;
  process.disconnect();
});
