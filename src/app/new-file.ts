import { open } from 'node:fs/promises';

/**
 * Writes a file that this user alone may read, and answers when it is on the disk: what it tells of, a key or an id that rows name, is lost without it. Never over one
 * that came to be meanwhile (EEXIST).
 */
export async function writeNewFile(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
