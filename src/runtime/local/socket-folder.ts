import { createHash } from 'node:crypto';
import { lstat, mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BerthError } from '../../kernel/index.js';
import { systemCode } from './failures.js';

/** A Unix socket's path may have 107 bytes on Linux (unix(7)); the proxy refuses beyond 100. */
const MAX_SOCKET_PATH_BYTES = 100;
/** Used when even the temporary folder that was asked for is too deep. */
const LAST_RESORT = '/tmp';

/** The name of the socket in its folder; nothing else lies there (contract of `runnerFileSchema.socketDirectory`). */
export function socketPath(folder: string): string {
  return join(folder, 's');
}

/**
 * The whole id in 22 characters. The eight digits people see could be equal for two workspaces, and those two would then share
 * one way out.
 */
function shortName(workspaceId: string): string {
  return Buffer.from(workspaceId.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * The folder of a workspace's socket: `<data>/run/<short>` or, where that is too long for a socket, a folder below the
 * temporary folder whose name is the same for each start with this data directory.
 */
export function socketFolder(dataDirectory: string, workspaceId: string, temporaryDirectory: string): string {
  const data = resolve(dataDirectory);
  const digest = createHash('sha256').update(data).digest('hex').slice(0, 12);
  const ours = `berth-${process.getuid?.() ?? 0}-${digest}`;
  const bases = [join(data, 'run'), join(resolve(temporaryDirectory), ours), join(LAST_RESORT, ours)];
  const folders = bases.map((base) => join(base, shortName(workspaceId)));
  const fits = (folder: string): boolean => Buffer.byteLength(socketPath(folder)) < MAX_SOCKET_PATH_BYTES;
  return folders.find(fits) ?? join(LAST_RESORT, ours, shortName(workspaceId));
}

/**
 * Makes the folder and its parent, or takes what is there when it is really ours. In a temporary folder anybody can make a folder or a
 * link of our name first, and would then own the door to the proxy: so owner, kind and mode are checked. Fails with `runtime-failed`.
 */
export async function makeSocketFolder(folder: string): Promise<void> {
  await mkdir(dirname(dirname(folder)), { recursive: true });
  for (const path of [dirname(folder), folder]) {
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (systemCode(error) !== 'EEXIST') throw error;
    });
    // lstat: a link that somebody else placed here must not be followed.
    const found = await lstat(path);
    const foreign = !found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0;
    if (foreign) {
      throw new BerthError(
        'runtime-failed',
        `The folder ${path} is not a private folder of the user that runs Berth. Remove it, then try again.`,
      );
    }
  }
}

/** Removes the socket and its folder. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
