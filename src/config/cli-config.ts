import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { BerthError, Secret } from '../kernel/index.js';
import { cliConfigPath, readConfigFile, type StoredConfig } from './cli-config-file.js';
import { apiKeySchema, parseSettings, urlSchema, withoutEmpty, type Environment } from './cli-values.js';

export { cliConfigFile, cliConfigPath } from './cli-config-file.js';
export type { CliConfigFile, StoredConfig } from './cli-config-file.js';

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
  /** True for a terminal that can only append (`TERM=dumb`). */
  dumbTerminal: boolean;
  /** The token of the first run, where the server was given one (`BERTH_SETUP_TOKEN`). */
  setupToken: Secret | null;
  /** The variable that gives an API key and goes before the stored one; null when none is set. */
  keyVariable: 'BERTH_API_KEY' | 'BERTH_API_KEY_FILE' | null;
  /** The environment for npm: all but Berth's own settings, which hold secrets npm has no business with. */
  npmEnvironment: Record<string, string>;
}

export interface ConnectionFlags {
  url?: string | undefined;
  organization?: string | undefined;
}

const defaultUrl = 'http://127.0.0.1:3000';

const environmentSchema = z.object({
  BERTH_URL: urlSchema.optional(),
  BERTH_API_KEY: apiKeySchema.optional(),
  BERTH_API_KEY_FILE: z.string().optional(),
  BERTH_ORGANIZATION: z.string().optional(),
});
type Variables = z.infer<typeof environmentSchema>;

/**
 * Reads how to connect: flags, then the environment, then the config file, then the default.
 * @throws BerthError `config-invalid` for a wrong value or a config file others can read, naming the variable or file; `unauthenticated` when there is no API key.
 */
export async function readConnectionConfig(
  flags: ConnectionFlags,
  environment: Environment = process.env,
): Promise<ConnectionConfig> {
  const { variables, file, url } = await readSettings(flags, environment);
  // The stored key belongs to the stored address: a mistyped or foreign --url must not receive it.
  const storedKey = sameOrigin(url, file.url ?? defaultUrl) ? file.apiKey : undefined;
  const apiKey = variables.BERTH_API_KEY ?? (await readKeyFile(variables.BERTH_API_KEY_FILE)) ?? storedKey;
  if (apiKey === undefined)
    throw new BerthError(
      'unauthenticated',
      `You are not signed in: there is no API key for ${url}. Run "berth login" (or "berth setup" for a new Berth), or set BERTH_API_KEY or BERTH_API_KEY_FILE.`,
    );
  return {
    url: url.replace(/\/+$/, ''),
    apiKey: new Secret(apiKey),
    organization: flags.organization ?? variables.BERTH_ORGANIZATION ?? file.organization ?? null,
  };
}

/** Where Berth is, for those who have no key yet. Throws `config-invalid`. */
export async function readAddress(
  flags: ConnectionFlags,
  environment: Environment = process.env,
): Promise<string> {
  return (await readSettings(flags, environment)).url.replace(/\/+$/, '');
}

async function readSettings(
  flags: ConnectionFlags,
  environment: Environment,
): Promise<{ variables: Variables; file: StoredConfig; url: string }> {
  const variables = parseSettings(environmentSchema, withoutEmpty(environment), '');
  const flagUrl =
    flags.url === undefined
      ? undefined
      : parseSettings(z.object({ '--url': urlSchema }), { '--url': flags.url }, '')['--url'];
  const file = await readConfigFile(cliConfigPath(environment));
  return { variables, file, url: flagUrl ?? variables.BERTH_URL ?? file.url ?? defaultUrl };
}

/** Reads what commands on this machine need. Nothing in it can be wrong by itself. */
export function readLocalConfig(environment: Environment = process.env): LocalConfig {
  const variables = withoutEmpty(environment);
  const { BERTH_SETUP_TOKEN: setupToken } = variables;
  return {
    dataDir: resolve(variables.BERTH_DATA_DIR ?? '.berth'),
    claudeBin: variables.CLAUDE_BIN,
    codexBin: variables.CODEX_BIN,
    path: variables.PATH ?? '',
    noColor: variables.NO_COLOR !== undefined,
    dumbTerminal: variables.TERM === 'dumb',
    setupToken: setupToken === undefined ? null : new Secret(setupToken),
    keyVariable: keyVariables.find((name) => variables[name] !== undefined) ?? null,
    npmEnvironment: Object.fromEntries(Object.entries(variables).filter(([name]) => !ownVariable.test(name))),
  };
}

const keyVariables = ['BERTH_API_KEY', 'BERTH_API_KEY_FILE'] as const;
const ownVariable =
  /^(BERTH_|AWF_|DATABASE_|REDIS_URL$|GITHUB_APP_|GITHUB_WEBHOOK_|LINEAR_|ANTHROPIC_|OPENAI_|CLAUDE_|CODEX_)/;

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
  return parseSettings(z.object({ BERTH_API_KEY_FILE: apiKeySchema }), { BERTH_API_KEY_FILE: text }, '')
    .BERTH_API_KEY_FILE;
}

function sameOrigin(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin;
}
