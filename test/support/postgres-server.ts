/**
 * The Postgres of one `jest` run, in a process of its own: when jest ends in whatever way, the channel to it closes and this process
 * stops the server and removes its files. Run as `node --import tsx test/support/postgres-server.ts`, with an IPC channel; with the word `durable` behind it as Berth's own runs, for
 * tests that hurt it.
 */
import { access, constants, mkdtemp, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { embeddedSuperuserUrl, startEmbeddedPostgres } from '../../src/database/embedded/index.js';
import { ensureGroupRoles, ensureLogins } from '../../src/database/logins.js';
import { migrate } from '../../src/database/migrator.js';
import { messageOf, silentLog } from '../../src/kernel/index.js';
import type { TestPostgres } from './postgres.js';

const PREFIX = 'berth-test-postgres-';
const isThrowaway = process.argv[2] !== 'durable';
/** Linux's file system in memory: copying a database there takes a tenth of the time, and of the computing, that it takes on a disk. */
const MEMORY = '/dev/shm';
const ROOM_BYTES = 2 * 1024 ** 3;
const migrationsDirectory = path.join(import.meta.dirname, '..', '..', 'prisma', 'migrations');

async function main(): Promise<void> {
  await removeLeftovers();
  const folder = isThrowaway && (await hasRoom(MEMORY)) ? MEMORY : os.tmpdir();
  const home = await mkdtemp(path.join(folder, `${PREFIX}${process.pid}-`));
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

/** What a run left behind whose processes were all killed: its server is stopped, its files removed. */
async function removeLeftovers(): Promise<void> {
  const homes = await Promise.all([MEMORY, os.tmpdir()].map(homesIn));
  for (const home of homes.flat()) {
    const pid = Number(path.basename(home).slice(PREFIX.length).split('-')[0]);
    if (Number.isNaN(pid) || isRunning(pid)) continue;
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

async function homesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.startsWith(PREFIX)).map((name) => path.join(folder, name));
}

async function hasRoom(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize > ROOM_BYTES;
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

await main().catch((error: unknown) => {
  process.send?.({ error: messageOf(error) });
  process.exitCode = 1;
  process.disconnect();
});
