import { open } from 'node:fs/promises';
import { isAbsent } from './failures.js';

/** A runner writes to a file, since a pipe would break when Berth dies; so Berth has to keep the file short. */
export const MAX_LOG_BYTES = 1024 * 1024;
const KEPT_BYTES = 128 * 1024;

/**
 * Cuts a log that has grown beyond `maxBytes` down to its last part. The runner appends (O_APPEND), so it goes on at the new
 * end; a line that it
 * writes at this very moment may be lost.
 */
export async function boundLog(
  path: string,
  maxBytes = MAX_LOG_BYTES,
  keptBytes = KEPT_BYTES,
): Promise<void> {
  try {
    // 'r+' and not 'w': a log that is not there is not made.
    const file = await open(path, 'r+');
    try {
      const { size } = await file.stat();
      if (size <= maxBytes) return;
      const kept = Buffer.alloc(keptBytes);
      const { bytesRead } = await file.read(kept, 0, keptBytes, size - keptBytes);
      await file.truncate(0);
      await file.write(kept, 0, bytesRead, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
