import { statfs } from 'node:fs/promises';
import { nearestFolder } from './folders.js';
import { fail, ok, warn, type Finding } from './report.js';

const GIB = 1024 ** 3;
/** Both agents take 0.8 GB, embedded Postgres 0.1 GB; the rest is for the files of workspaces. */
const LEAST_GIB = 1;
const COMFORTABLE_GIB = 5;

/** There is room where the data directory is, or will be. */
export async function diskSpace(dataDirectory: string): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(await nearestFolder(dataDirectory));
  return judgeDisk({
    freeGib: (bavail * bsize) / GIB,
    isOutOfFiles: files > 0 && ffree === 0,
    dataDirectory,
  });
}

export function judgeDisk(disk: { freeGib: number; isOutOfFiles: boolean; dataDirectory: string }): Finding {
  const described = `${disk.freeGib.toFixed(1)} GiB are free for ${disk.dataDirectory}`;
  const mend = 'Make room, or set BERTH_DATA_DIR to a folder on a larger disk.';
  if (disk.isOutOfFiles) return fail('The disk takes no more files (no inode is free).', mend);
  if (disk.freeGib < LEAST_GIB) return fail(`${described}; the agents alone take 0.8 GB.`, mend);
  if (disk.freeGib < COMFORTABLE_GIB)
    return warn(`${described}; every workspace holds a copy of its repository.`, mend);
  return ok(described);
}
