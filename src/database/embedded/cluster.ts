import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, link, mkdir, readFile, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BerthError, Secret, messageOf } from '../../kernel/index.js';
import type { PostgresBinaries } from './binaries.js';
import { giveTo, type RunAs } from './identity.js';
import { identityState, isAlive, isPostgresOn, processIdentity } from './processes.js';

const run = promisify(execFile);
const INITDB_TIMEOUT_MS = 180_000;
const UNFINISHED = 'initializing-';

/** Where everything of one embedded Postgres lies: `directory` is `<data dir>/postgres`. */
export interface ClusterPaths {
  directory: string;
  /** Cluster and passwords in one folder, so that one rename makes both appear together. */
  cluster: string;
  /** PGDATA. */
  data: string;
  superuserPassword: string;
  ownerPassword: string;
  log: string;
  libraries: string;
}

/** The paths under `<data dir>/postgres`. */
export function clusterPaths(directory: string): ClusterPaths {
  const cluster = path.join(directory, 'cluster');
  return {
    directory,
    cluster,
    data: path.join(cluster, 'data'),
    superuserPassword: path.join(cluster, 'superuser-password'),
    ownerPassword: path.join(cluster, 'owner-password'),
    log: path.join(directory, 'postgres.log'),
    libraries: path.join(directory, 'lib'),
  };
}

/** The passwords made with the cluster: of the superuser `postgres` and of the role `berth`. Throws `database-unavailable`. */
export async function readPasswords(paths: ClusterPaths): Promise<{ superuser: Secret; owner: Secret }> {
  const read = async (file: string): Promise<Secret> => {
    try {
      return new Secret((await readFile(file, 'utf8')).trim());
    } catch (cause) {
      throw new BerthError(
        'database-unavailable',
        `The password file ${file} of the built-in Postgres cannot be read: ${messageOf(cause)}. Start Berth as the user who owns the folder.`,
        { cause },
      );
    }
  };
  return { superuser: await read(paths.superuserPassword), owner: await read(paths.ownerPassword) };
}

/** Makes the cluster unless it is there. A kill at any moment leaves no half of one: it appears by one rename when it is whole. */
export async function ensureCluster(
  paths: ClusterPaths,
  binaries: PostgresBinaries,
  runAs: RunAs,
): Promise<void> {
  await removeUnfinished(paths.directory);
  if (!(await exists(paths.cluster))) await initialize(paths, binaries, runAs);
}

async function initialize(paths: ClusterPaths, binaries: PostgresBinaries, runAs: RunAs): Promise<void> {
  // The name tells who is at work, so that another Berth removes it only when that process is gone.
  const name = `${UNFINISHED}${processIdentity(process.pid)}.${randomBytes(4).toString('hex')}`;
  const unfinished = clusterPaths(path.join(paths.directory, name));
  await mkdir(unfinished.cluster, { recursive: true, mode: 0o700 });
  try {
    for (const file of [unfinished.superuserPassword, unfinished.ownerPassword]) {
      await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true });
    }
    await giveTo(paths.directory, runAs.owner);
    await runInitdb(unfinished, binaries, runAs);
    await rename(unfinished.cluster, paths.cluster);
  } catch (error) {
    // Another Berth was quicker: its cluster is the one, with its own passwords.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  } finally {
    await rm(unfinished.directory, { recursive: true, force: true });
  }
}

async function runInitdb(paths: ClusterPaths, binaries: PostgresBinaries, runAs: RunAs): Promise<void> {
  const command = [
    ...runAs.prefix,
    binaries.initdb,
    `--pgdata=${paths.data}`,
    '--username=postgres',
    `--pwfile=${paths.superuserPassword}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    // Postgres's own C.UTF-8: the same on every system and safe from changes of the system's collations.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ];
  try {
    await run(command[0] ?? '', command.slice(1), {
      ...runAs.ids,
      cwd: '/',
      env: binaries.environment,
      timeout: INITDB_TIMEOUT_MS,
    });
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string };
    throw new BerthError(
      'database-unavailable',
      `The built-in Postgres could not make its files in ${paths.data}: ${stderr.trim() || messageOf(cause)}. ` +
        'Check free disk space and the rights of the folder, then start again.',
      { cause },
    );
  }
}

async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const maker = name.slice(UNFINISHED.length).split('.')[0] ?? '';
    if (identityState(maker) === 'gone') {
      await rm(path.join(directory, name), { recursive: true, force: true });
    }
  }
}

/** What a running server says of itself in `postmaster.pid` (pidfile.h: line 1 is the process, line 4 the port). */
export interface Postmaster {
  pid: number;
  port: number;
}

/** Reads `postmaster.pid`; undefined when there is none or it is not wholly written yet. */
export function parsePostmasterFile(text: string): Postmaster | undefined {
  const lines = text.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  // A negative number is a single-user backend (initdb, a person's repair), which has no port.
  return Number.isSafeInteger(pid) && pid > 0 && Number.isSafeInteger(port) && port > 0
    ? { pid, port }
    : undefined;
}

/**
 * The living server of this data folder, if any. A `postmaster.pid` whose number now belongs to another program is put away, because
 * Postgres itself would refuse to start beside it.
 */
export async function findPostmaster(paths: ClusterPaths): Promise<Postmaster | undefined> {
  const file = path.join(paths.data, 'postmaster.pid');
  const text = await readOptional(file);
  if (text === undefined) return undefined;
  const pid = Math.abs(Number.parseInt(text, 10));
  if (Number.isNaN(pid) || pid === 0) return undefined;
  if (await isPostgresOn(pid, paths.data)) return parsePostmasterFile(text);
  if (isProcess(pid)) await putAway(file, text);
  return undefined;
}

/** As `findPostmaster`, and leaves a stale file where it is. */
export async function lookForPostmaster(paths: ClusterPaths): Promise<Postmaster | undefined> {
  const text = await readOptional(path.join(paths.data, 'postmaster.pid'));
  const running = text === undefined ? undefined : parsePostmasterFile(text);
  return running !== undefined && (await isPostgresOn(running.pid, paths.data)) ? running : undefined;
}

/** True also for a zombie, which Postgres's own look at the number takes for a running server. */
function isProcess(pid: number): boolean {
  if (isAlive(pid)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Removes the stale file, unless a server that just started has put its own in place: that one is put back. */
async function putAway(file: string, stale: string): Promise<void> {
  const aside = `${file}.stale-${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, file);
  } finally {
    await unlink(aside);
  }
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
