import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent, systemCode } from './failures.js';

/**
 * Removes a folder and everything in it; links are removed and never followed. Tools leave read-only folders (Go's module cache, an agent's
 * `chmod 000`), which only root can empty: they are opened first when a plain removal is refused. Nothing there is fine.
 */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
    await openFolders(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function openFolders(folder: string): Promise<void> {
  // lstat and only folders: chmod follows links, and a link may lead anywhere.
  const found = await lstat(folder).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (found?.isDirectory() !== true) return;
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await openFolders(join(folder, entry.name));
  }
}
