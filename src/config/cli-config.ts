import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { BerthError, Secret } from '../kernel/index.js';

type Environment = Record<string, string | undefined>;

/** How the `berth` command reaches a Berth. */
export interface ConnectionConfig {
  /** Base URL without a slash at its end. */
  url: string;
  apiKey: Secret;
  /** Slug or id; null means: the only one I am in. */
  organization: string | null;
}

/** What the `berth` command's work on this machine needs. */
export interface LocalConfig {
  dataDir: string;
  claudeBin: string | undefined;
  codexBin: string | undefined;
  path: string;
  /** True when `NO_COLOR` is set (no-color.org). */
  noColor: boolean;
  /** The environment for npm: all but Berth's own settings, which hold secrets npm has no business with. */
  npmEnvironment: Record<string, string>;
}

export interface ConnectionFlags {
  url?: string | undefined;
  organization?: string | undefined;
}

const defaultUrl = 'http://127.0.0.1:3000';

const urlSchema = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).refine(
  (text) => {
    const url = new URL(text);
    return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  },
  { error: 'must hold no user, password, query or fragment' },
);
// Only what may stand in a header; the message never repeats the key.
const apiKeySchema = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, 'must be one word of printable characters');

const environmentSchema = z.object({
  BERTH_URL: urlSchema.optional(),
  BERTH_API_KEY: apiKeySchema.optional(),
  BERTH_API_KEY_FILE: z.string().optional(),
  BERTH_ORGANIZATION: z.string().optional(),
});
const fileSchema = z.strictObject({
  url: urlSchema.optional(),
  apiKey: apiKeySchema.optional(),
  organization: z.string().min(1).optional(),
});
type ConfigFile = z.infer<typeof fileSchema>;

/** Where the command keeps a person's settings: `$XDG_CONFIG_HOME/berth/config.json`, by default in `~/.config`. */
export function cliConfigPath(environment: Environment = process.env): string {
  const home = environment.HOME ?? homedir();
  return join(environment.XDG_CONFIG_HOME ?? join(home, '.config'), 'berth', 'config.json');
}

/**
 * Reads how to connect: flags, then the environment, then the config file, then the default.
 * @throws BerthError `config-invalid` for a wrong value, a config file others can read, or no API key; names the variable or file.
 */
export async function readConnectionConfig(
  flags: ConnectionFlags,
  environment: Environment = process.env,
): Promise<ConnectionConfig> {
  const variables = parse(environmentSchema, withoutEmpty(environment), '');
  const flagUrl =
    flags.url === undefined
      ? undefined
      : parse(z.object({ '--url': urlSchema }), { '--url': flags.url }, '')['--url'];
  const path = cliConfigPath(environment);
  const file = await readConfigFile(path);
  const url = flagUrl ?? variables.BERTH_URL ?? file.url ?? defaultUrl;
  // The stored key belongs to the stored address: a mistyped or foreign --url must not receive it.
  const storedKey = sameOrigin(url, file.url ?? defaultUrl) ? file.apiKey : undefined;
  const apiKey = variables.BERTH_API_KEY ?? (await readKeyFile(variables.BERTH_API_KEY_FILE)) ?? storedKey;
  if (apiKey === undefined)
    throw new BerthError(
      'config-invalid',
      `There is no API key for ${url}. Set BERTH_API_KEY or BERTH_API_KEY_FILE, or write {"url": …, "apiKey": …} to ${path} (mode 0600).`,
    );
  return {
    url: url.replace(/\/+$/, ''),
    apiKey: new Secret(apiKey),
    organization: flags.organization ?? variables.BERTH_ORGANIZATION ?? file.organization ?? null,
  };
}

/** Reads what commands on this machine need. Nothing in it can be wrong by itself. */
export function readLocalConfig(environment: Environment = process.env): LocalConfig {
  const variables = withoutEmpty(environment);
  return {
    dataDir: resolve(variables.BERTH_DATA_DIR ?? '.berth'),
    claudeBin: variables.CLAUDE_BIN,
    codexBin: variables.CODEX_BIN,
    path: variables.PATH ?? '',
    noColor: variables.NO_COLOR !== undefined,
    npmEnvironment: Object.fromEntries(Object.entries(variables).filter(([name]) => !ownVariable.test(name))),
  };
}

const ownVariable =
  /^(BERTH_|AWF_|DATABASE_|REDIS_URL$|GITHUB_APP_|GITHUB_WEBHOOK_|LINEAR_|ANTHROPIC_|OPENAI_|CLAUDE_|CODEX_)/;

function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
    ),
  );
}

async function readKeyFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new BerthError(
      'config-invalid',
      `BERTH_API_KEY_FILE is ${path}, which cannot be read. Check the path and its mode.`,
      {
        cause,
      },
    );
  });
  return parse(z.object({ BERTH_API_KEY_FILE: apiKeySchema }), { BERTH_API_KEY_FILE: text }, '')
    .BERTH_API_KEY_FILE;
}

async function readConfigFile(path: string): Promise<ConfigFile> {
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
  const file = parse(fileSchema, json, `${path}: `);
  if (file.apiKey !== undefined && ((await stat(path)).mode & 0o077) !== 0)
    throw new BerthError(
      'config-invalid',
      `${path} holds an API key and others may read it. Run: chmod 600 ${path}`,
    );
  return file;
}

function sameOrigin(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin;
}

/** zod's messages name what is wrong and never the value, which may be a secret. */
function parse<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`.trim());
  throw new BerthError('config-invalid', `${prefix}${problems.join('; ')}.`);
}
