import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Linux's file system in memory. A database is copied there in a tenth of the time and of the computing that it takes on a disk, and a server waits for nothing to be written. What is tested
 * is killed in many ways, but the machine's power is never cut.
 */
const MEMORY = '/dev/shm';
const ROOM_BYTES = 2 * 1024 ** 3;
/** Of the data directories of Berths that are processes of their own. */
export const BERTH_PREFIX = 'berth-e2e-';

/** Makes a folder for what writes much: in memory where it may, else among the temporary files. Its name tells whose it is, so that the next run removes it when that process was killed. */
export function makeScratch(prefix: string): string {
  return mkdtempSync(path.join(isUsable() ? MEMORY : tmpdir(), `${prefix}${process.pid}-`));
}

/** Folders of this prefix whose makers are gone. */
export function leftScratches(prefix: string): string[] {
  return [MEMORY, tmpdir()].flatMap((folder) =>
    namesIn(folder)
      .filter((name) => name.startsWith(prefix) && isGone(Number(name.slice(prefix.length).split('-')[0])))
      .map((name) => path.join(folder, name)),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** There is room, and programs run from there: containers often have little of it, or mount it `noexec`. */
function isUsable(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ROOM_BYTES && !isNoexec(readFileSync('/proc/mounts', 'utf8'));
  } catch {
    return false;
  }
}

function isNoexec(mounts: string): boolean {
  const options = mounts
    .split('\n')
    .findLast((line) => line.split(' ')[1] === MEMORY)
    ?.split(' ')[3];
  return options === undefined || options.split(',').includes('noexec');
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
