import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { RingKey } from '../credentials/index.js';
import { BerthError } from '../kernel/index.js';
import { writeNewFile } from './new-file.js';

const FILE = 'encryption-keys';
const KEY_BYTES = 32;
const ID_BYTES = 4;

/** A ring that may have to be kept once it was found to be the right one. */
export interface KeyRing {
  keys: RingKey[];
  /** Writes a ring that was just made; does nothing for one that was given or read. */
  keep(): Promise<void>;
}

/** The ring of the embedded Berth: read from the data directory, or made. A made one is written only by `keep`. */
export async function keyRingOf(dataDirectory: string, random: (size: number) => Buffer): Promise<KeyRing> {
  const file = path.join(dataDirectory, FILE);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new BerthError(
      'config-invalid',
      `${file} cannot be read (${code ?? 'unknown'}). Give this user the right to read it.`,
      { cause: error },
    );
  });
  if (text !== null) return { keys: parse(text, file), keep: () => Promise.resolve() };
  const made = { id: `local-${random(ID_BYTES).toString('hex')}`, key: random(KEY_BYTES) };
  return { keys: [made], keep: () => writeNewFile(file, `${made.id}:${made.key.toString('base64')}\n`) };
}

function parse(text: string, file: string): RingKey[] {
  const keys = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((entry) => {
      const at = entry.indexOf(':');
      return { id: entry.slice(0, Math.max(at, 0)), key: Buffer.from(entry.slice(at + 1), 'base64') };
    });
  if (keys.length === 0 || keys.some(({ id, key }) => id === '' || key.length !== KEY_BYTES)) {
    throw new BerthError(
      'config-invalid',
      `${file} does not hold keys as id:base64 of 32 bytes. Put the file back from a backup.`,
    );
  }
  return keys;
}
