import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { BerthError } from '../kernel/index.js';
import { apiKeySchema, parseSettings, urlSchema, type Environment } from './cli-values.js';

const fileSchema = z.strictObject({
  url: urlSchema.optional(),
  apiKey: apiKeySchema.optional(),
  /** Id of the stored key, when it was made for this file: signing out deletes it. */
  apiKeyId: z.string().min(1).optional(),
  organization: z.string().min(1).optional(),
});

/** What the `berth` command keeps for a person. `apiKey` is a secret. */
export type StoredConfig = z.infer<typeof fileSchema>;

/** A person's settings of the `berth` command. */
export interface CliConfigFile {
  path: string;
  /** Empty when there is no file. Throws `config-invalid` for one that is wrong or that others may read. */
  read(): Promise<StoredConfig>;
  /** Replaces it, readable by its owner alone; whole or not at all. Throws `config-invalid` when the place cannot be written. */
  write(stored: StoredConfig): Promise<void>;
}

/** `$XDG_CONFIG_HOME/berth/config.json`, by default in `~/.config`. */
export function cliConfigPath(environment: Environment = process.env): string {
  const home = environment.HOME ?? homedir();
  return join(environment.XDG_CONFIG_HOME ?? join(home, '.config'), 'berth', 'config.json');
}

/** The settings of whom this process runs as. */
export function cliConfigFile(environment: Environment = process.env): CliConfigFile {
  const path = cliConfigPath(environment);
  return {
    path,
    read: () => readConfigFile(path),
    write: (stored) => writeConfigFile(path, stored),
  };
}

export async function readConfigFile(path: string): Promise<StoredConfig> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new BerthError('config-invalid', `${path} cannot be read. Check its owner and mode.`, { cause });
  });
  if (text === null) return {};
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message may quote the text, and with it the key.
    throw new BerthError('config-invalid', `${path} is not valid JSON. Mend it or remove it.`);
  }
  const file = parseSettings(fileSchema, json, `${path}: `);
  if (file.apiKey !== undefined && ((await stat(path)).mode & 0o077) !== 0)
    throw new BerthError(
      'config-invalid',
      `${path} holds an API key and others may read it. Run: chmod 600 ${path}`,
    );
  return file;
}

async function writeConfigFile(path: string, stored: StoredConfig): Promise<void> {
  // Beside it and renamed: neither a crash nor a second command leaves half a file.
  const unfinished = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      // Whatever the umask took away, and nothing more than that is given.
      await chmod(unfinished, 0o600);
      await handle.writeFile(`${JSON.stringify(stored, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, path);
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new BerthError(
      'config-invalid',
      `${path} cannot be written (${code}). Check the owner and the rights of its folder, or set XDG_CONFIG_HOME.`,
      { cause },
    );
  }
}
