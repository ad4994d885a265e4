import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { nearestFolder } from './folders.js';
import { fail, ok, warn, type Finding } from './report.js';

/** The data directory can be made or written, and is closed to others. */
export async function dataDirectory(folder: string): Promise<Finding> {
  const place = await nearestFolder(folder);
  const found = await stat(place);
  const mend = 'Give it to the user who runs Berth, or set BERTH_DATA_DIR to another folder.';
  if (!found.isDirectory()) return fail(`${place} is a file, so there can be no folder ${folder}.`, mend);
  const refused = await access(place, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => null,
    (error: unknown) => (error as NodeJS.ErrnoException).code ?? 'unknown',
  );
  if (refused === 'EROFS') return fail(`${place} is on a disk that is mounted read-only.`, mend);
  if (refused !== null) return fail(`${place} may not be read and written by this user (${refused}).`, mend);
  if (place !== folder) return ok(`${folder} is made at the first start`);
  // What is secret in it has mode 0600 of its own; the folder's mode is the second lock.
  if ((found.mode & 0o077) !== 0 && found.uid === process.getuid?.())
    return warn(
      `${folder} is open to other users (mode ${(found.mode & 0o777).toString(8)}).`,
      `Run: chmod 700 ${folder}`,
    );
  return ok(folder);
}
