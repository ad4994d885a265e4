import { link, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { HostLock, type OpenDatabase } from '../database/index.js';
import { BerthError, isId, type Ids, type Log } from '../kernel/index.js';
import { writeNewFile } from './new-file.js';

const FILE = 'host-id';

/**
 * Makes this process the one worker of its data directory, which is tied to its database already. Throws `data-directory-in-use`. `abandon` is called when the directory may be
 * another's by now: the process has to end without touching it.
 */
export async function holdHost(
  config: Config,
  { opened, version, ids, log }: { opened: OpenDatabase; version: string; ids: Ids; log: Log },
  abandon: () => void,
): Promise<{ hostId: string; lock: HostLock }> {
  const { dataDirectory } = config;
  const hostId = await hostIdOf(dataDirectory, ids);
  const lock = await HostLock.take({
    url: opened.systemUrl,
    host: { id: hostId, name: hostname(), version },
    dataDirectory,
    lostAfterSeconds: config.hostLostSeconds,
    log,
    onLost: abandon,
  });
  return { hostId, lock };
}

/** The id of this data directory as a host: read from it, or made at its first start. Two that start at once make one. */
export async function hostIdOf(dataDirectory: string, ids: Ids): Promise<string> {
  const file = path.join(dataDirectory, FILE);
  const known = await readId(file);
  if (known !== null) return known;
  const made = ids.next();
  // Whole or not there, also for one that reads at the same moment; and never written over, since the rows will name it.
  const partial = `${file}.${made}`;
  await writeNewFile(partial, `${made}\n`);
  try {
    await link(partial, file);
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return await hostIdOf(dataDirectory, ids);
  } finally {
    await rm(partial);
  }
}

async function readId(file: string): Promise<string | null> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  if (isId(text.trim())) return text.trim();
  throw new BerthError(
    'config-invalid',
    `${file} does not hold the id of a host. Put the file back from a backup: the workspaces of this directory are found by it.`,
  );
}
