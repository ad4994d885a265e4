import { execFile, type SpawnOptions } from 'node:child_process';
import { lchown, lstat, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BerthError } from '../../kernel/index.js';
import type { PostgresBinaries } from './binaries.js';

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 10_000;
/** `nobody` on Linux. It has a line in the user database, which initdb insists on. */
const NOBODY = 65534;

/**
 * As whom the Postgres programs run: `prefix` goes before the command, `uid` and `gid` into the spawn options, and `owner` must own
 * the files.
 */
export interface RunAs {
  name: string;
  prefix: readonly string[];
  ids: Pick<SpawnOptions, 'uid' | 'gid'>;
  owner: { uid: number; gid: number };
}

/**
 * Postgres refuses to run as root. As an ordinary user it simply runs. As root it runs, whichever works first in this folder:
 * 1. in a user namespace where root's files look like nobody's and the process has no capability: works under a 0700 parent of root;
 * 2. as user nobody (containers often forbid namespaces);
 * 3. as the owner of the folder on the way that shuts nobody out (root inside somebody's home).
 * Throws `database-unavailable` naming the folder that is in the way.
 */
export async function chooseRunAs(
  directory: string,
  binaries: PostgresBinaries,
  { unshare = 'unshare' }: { unshare?: string } = {},
): Promise<RunAs> {
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1];
  if (uid !== 0) return { name: 'self', prefix: [], ids: {}, owner: { uid, gid } };

  const candidates = [namespace(unshare), user('nobody', NOBODY, NOBODY)];
  const blocker = await firstClosedFolder(directory);
  if (blocker !== undefined && blocker.uid !== 0) {
    candidates.push(user('folder-owner', blocker.uid, blocker.gid));
  }
  for (const candidate of candidates) {
    if (await works(candidate, directory, binaries)) return candidate;
  }
  throw new BerthError(
    'database-unavailable',
    'The built-in Postgres cannot run as root, and ' +
      (blocker === undefined
        ? `neither a user namespace nor user ${NOBODY} can run ${binaries.postgres}. Start Berth as an ordinary user.`
        : `its user cannot pass the folder ${blocker.folder}. Run "chmod o+x ${blocker.folder}", choose another BERTH_DATA_DIR, ` +
          'or start Berth as an ordinary user.'),
  );
}

/** Gives the whole tree to whom Postgres runs as; matters when an earlier run ran as somebody else. No link is followed. */
export async function giveTo(directory: string, { uid, gid }: RunAs['owner']): Promise<void> {
  if (process.getuid?.() !== 0) return;
  try {
    const found = await lstat(directory);
    if (found.uid !== uid || found.gid !== gid) await lchown(directory, uid, gid);
    if (!found.isDirectory()) return;
    for (const name of await readdir(directory)) await giveTo(path.join(directory, name), { uid, gid });
  } catch (error) {
    // A file that went away meanwhile needs no owner.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function namespace(unshare: string): RunAs {
  return {
    name: 'namespace',
    prefix: [unshare, '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'],
    ids: {},
    owner: { uid: 0, gid: 0 },
  };
}

function user(name: string, uid: number, gid: number): RunAs {
  return { name, prefix: [], ids: { uid, gid }, owner: { uid, gid } };
}

/** Tries the real thing: reach the folder and load the server. */
async function works(candidate: RunAs, directory: string, binaries: PostgresBinaries): Promise<boolean> {
  const script = 'cd "$1" && exec "$2" --version';
  const command = [
    ...candidate.prefix,
    ...['/bin/sh', '-c', script, 'sh', path.dirname(directory), binaries.postgres],
  ];
  try {
    await run(command[0] ?? '', command.slice(1), {
      ...candidate.ids,
      cwd: '/',
      env: binaries.environment,
      timeout: PROBE_TIMEOUT_MS,
    });
    return true;
  } catch {
    return false;
  }
}

interface ClosedFolder {
  folder: string;
  uid: number;
  gid: number;
}

/** The topmost folder on the way to `directory` (which itself will be given away) that others may not pass. */
async function firstClosedFolder(directory: string): Promise<ClosedFolder | undefined> {
  const parents: string[] = [];
  for (let folder = path.dirname(directory); ; folder = path.dirname(folder)) {
    parents.unshift(folder);
    if (folder === path.dirname(folder)) break;
  }
  for (const folder of parents) {
    const { mode, uid, gid } = await stat(folder);
    if ((mode & 0o001) === 0) return { folder, uid, gid };
  }
  return undefined;
}
