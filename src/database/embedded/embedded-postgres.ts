import { mkdir, realpath } from 'node:fs/promises';
import { BerthError, type Log } from '../../kernel/index.js';
import { locateBinaries } from './binaries.js';
import { clusterPaths, ensureCluster, findPostmaster, lookForPostmaster, readPasswords } from './cluster.js';
import { superuserUrl } from './guard.js';
import { chooseRunAs } from './identity.js';
import { ownerUrl } from './owner.js';
import { Supervisor } from './supervisor.js';

export interface EmbeddedPostgresOptions {
  /** `<data dir>/postgres`; made if absent. */
  directory: string;
  log: Log;
  /** Nothing in it need be there after a crash of the machine, so that it waits for no disk. For servers that tests make. */
  isThrowaway?: boolean;
}

export interface EmbeddedPostgres {
  /** URL of the role `berth`, which owns the database `berth`. The port stays the same until `stop`. */
  ownerUrl: string;
  /** Stops the server in order. Close all pools before. */
  stop(): Promise<void>;
}

/**
 * Starts the Postgres of this data directory and keeps it running. Throws `data-directory-in-use` when another Berth has the
 * directory, `database-unavailable` when the server cannot run.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  // The real path, since it is compared with what a running server was started with.
  const paths = clusterPaths(await realpath(options.directory));
  const binaries = await locateBinaries(paths.libraries);
  const runAs = await chooseRunAs(paths.directory, binaries);
  await ensureCluster(paths, binaries, runAs);
  const passwords = await readPasswords(paths);
  const supervisor = new Supervisor({
    paths,
    binaries,
    runAs,
    password: passwords.superuser,
    log: options.log,
    isThrowaway: options.isThrowaway ?? false,
  });
  const port = await supervisor.start(passwords.owner);
  return { ownerUrl: ownerUrl(port, passwords.owner), stop: () => supervisor.stop() };
}

/**
 * URL of the superuser of a running embedded Postgres. For tests and repairs; Berth itself works as the role `berth`. Throws
 * `database-unavailable` when none runs in the directory.
 */
export async function embeddedSuperuserUrl(directory: string): Promise<string> {
  const paths = clusterPaths(await realpath(directory));
  const running = await findPostmaster(paths);
  if (running === undefined) {
    throw new BerthError('database-unavailable', `No Postgres runs in ${directory}. Start Berth first.`);
  }
  return superuserUrl(running.port, (await readPasswords(paths)).superuser);
}

/**
 * URL of the owner on the embedded Postgres that runs in this directory; null when none does. Only looks: nothing is started, and no stale file put away.
 * Throws `database-unavailable` when its passwords cannot be read.
 */
export async function runningEmbeddedUrl(directory: string): Promise<string | null> {
  const real = await realpath(directory).catch(() => null);
  if (real === null) return null;
  const paths = clusterPaths(real);
  const running = await lookForPostmaster(paths);
  return running === undefined ? null : ownerUrl(running.port, (await readPasswords(paths)).owner);
}
