import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BerthError } from '../kernel/index.js';

const FILE = 'database-id';

/**
 * Ties the data directory to the database, at the first start of the two together. With another database every workspace's files here would look like nobody's, and the
 * sweep removes what is nobody's: so a wrong DATABASE_URL must stop the start. Throws `config-invalid`.
 */
export async function tieDataDirectory(dataDirectory: string, databaseId: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const known = await checkTie(dataDirectory, databaseId);
  if (known === null) await writeFile(path.join(dataDirectory, FILE), `${databaseId}\n`, { mode: 0o600 });
}

/** The database this directory is tied to; null when it is tied to none yet. Throws `config-invalid` when it is another. Changes nothing. */
export async function checkTie(dataDirectory: string, databaseId: string): Promise<string | null> {
  const file = path.join(dataDirectory, FILE);
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (known === null || known.trim() === databaseId) return known;
  throw new BerthError(
    'config-invalid',
    `The data directory ${dataDirectory} belongs to another database than the one Berth was started with: its workspaces would be taken for nobody's and removed. ` +
      `Correct DATABASE_URL or BERTH_DATA_DIR. (If the old database is gone for good, remove ${file} and the folder workspaces beside it.) Nothing was changed.`,
  );
}
