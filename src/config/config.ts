import path from 'node:path';
import { z } from 'zod';
import { BerthError } from '../kernel/index.js';

/** Loopback addresses are the only ones that plain `http:` upstreams and open defaults are meant for. */
const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);

export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.has(host);
}

const url = (fallback: string) =>
  z
    .url('must be an absolute URL')
    .refine(
      (text) => {
        const parsed = new URL(text);
        return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback(parsed.hostname));
      },
      { error: 'must be https: (http: only on loopback)' },
    )
    .transform((text) => text.replace(/\/+$/, ''))
    .default(fallback);

const seconds = (fallback: number) =>
  z.coerce
    .number()
    .int()
    .positive()
    .max(7 * 24 * 3600)
    .default(fallback);

const encryptionKeys = z.string().transform((text, context) => {
  const keys = text.split(',').map((entry) => {
    const [id = '', encoded = ''] = splitOnce(entry.trim(), ':');
    return { id, key: Buffer.from(encoded, 'base64') };
  });
  const wrong = keys.some(({ id, key }) => !/^[A-Za-z0-9._-]{1,64}$/.test(id) || key.length !== 32);
  const repeated = new Set(keys.map(({ id }) => id)).size !== keys.length;
  if (wrong || repeated) {
    context.addIssue({
      code: 'custom',
      message:
        'must be id:base64 of 32 bytes[,older…] with different ids (make one: echo "k1:$(openssl rand -base64 32)")',
    });
    return z.NEVER;
  }
  return keys;
});

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

const postgresUrl = z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL');

const environmentSchema = z.object({
  BERTH_ROLE: z
    .enum(['all'], { error: 'must be all (api and worker come with a later version)' })
    .default('all'),
  BERTH_HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65535).default(3000),
  BERTH_PUBLIC_URL: z.url().optional(),
  BERTH_DATA_DIR: z.string().min(1).default('.berth'),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_APP_URL: postgresUrl.optional(),
  DATABASE_SYSTEM_URL: postgresUrl.optional(),
  DATABASE_QUEUE_URL: postgresUrl.optional(),
  BERTH_ENCRYPTION_KEYS: encryptionKeys.optional(),
  BERTH_SETUP_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  BERTH_RUNTIME: z
    .enum(['local'], { error: 'must be local (kubernetes comes with a later version)' })
    .default('local'),
  BERTH_SANDBOX: z.enum(['required', 'preferred', 'off']).default('required'),
  BERTH_FILE_REPOSITORIES: z.string().optional(),
  BERTH_INTERNAL_URL: z.url().optional(),
  CLAUDE_BIN: z.string().optional(),
  CODEX_BIN: z.string().optional(),
  BERTH_ANTHROPIC_API_URL: url('https://api.anthropic.com'),
  BERTH_OPENAI_API_URL: url('https://api.openai.com'),
  BERTH_GITHUB_URL: url('https://github.com'),
  BERTH_SUBSCRIPTION_OAUTH: z.enum(['on', 'personal', 'off']).default('on'),
  BERTH_CLAUDE_MODEL: z.string().min(1).default('claude-sonnet-4-6'),
  BERTH_CODEX_MODEL: z.string().min(1).default('gpt-5.2-codex'),
  BERTH_RUNNER_ORPHAN_SECONDS: seconds(600),
  BERTH_TURN_TIMEOUT_SECONDS: seconds(3600),
  BERTH_SWEEP_SECONDS: seconds(15),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
});

export type Config = ReturnType<typeof parseConfig>;

/**
 * Reads the environment once. An empty variable counts as absent. Throws `config-invalid` that names every wrong variable and never repeats its
 * value, which may be a secret.
 */
export function parseConfig(environment: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new BerthError(
      'config-invalid',
      `Berth cannot start with this environment.\n  ${lines.join('\n  ')}`,
    );
  }
  const env = parsed.data;
  requireWholeDatabase(env);
  const dataDirectory = path.resolve(env.BERTH_DATA_DIR);
  return Object.freeze({
    role: env.BERTH_ROLE,
    logLevel: env.LOG_LEVEL,
    http: { host: env.BERTH_HOST, port: env.PORT, publicUrl: env.BERTH_PUBLIC_URL?.replace(/\/+$/, '') },
    internalUrl: env.BERTH_INTERNAL_URL?.replace(/\/+$/, ''),
    dataDirectory,
    database: {
      url: env.DATABASE_URL,
      appUrl: env.DATABASE_APP_URL,
      systemUrl: env.DATABASE_SYSTEM_URL,
      queueUrl: env.DATABASE_QUEUE_URL,
    },
    encryptionKeys: env.BERTH_ENCRYPTION_KEYS,
    setupToken: env.BERTH_SETUP_TOKEN,
    subscriptionOauth: env.BERTH_SUBSCRIPTION_OAUTH,
    upstreams: {
      anthropicUrl: env.BERTH_ANTHROPIC_API_URL,
      openaiUrl: env.BERTH_OPENAI_API_URL,
      githubUrl: env.BERTH_GITHUB_URL,
    },
    repositories: fileRepositories(env.BERTH_FILE_REPOSITORIES, env.BERTH_HOST, dataDirectory),
    models: { claude: env.BERTH_CLAUDE_MODEL, codex: env.BERTH_CODEX_MODEL },
    runtime: {
      sandbox: env.BERTH_SANDBOX,
      claudeBin: env.CLAUDE_BIN,
      codexBin: env.CODEX_BIN,
      path: env.PATH,
      orphanSeconds: env.BERTH_RUNNER_ORPHAN_SECONDS,
      turnTimeoutSeconds: env.BERTH_TURN_TIMEOUT_SECONDS,
    },
    sweepSeconds: env.BERTH_SWEEP_SECONDS,
  });
}

function requireWholeDatabase(env: z.infer<typeof environmentSchema>): void {
  const prepared = [env.DATABASE_APP_URL, env.DATABASE_SYSTEM_URL, env.DATABASE_QUEUE_URL];
  if (!env.DATABASE_URL && prepared.some(Boolean)) {
    throw new BerthError(
      'config-invalid',
      'DATABASE_URL: is missing, while DATABASE_APP_URL, DATABASE_SYSTEM_URL or DATABASE_QUEUE_URL is set.',
    );
  }
  if (prepared.some(Boolean) && !prepared.every(Boolean)) {
    throw new BerthError(
      'config-invalid',
      'DATABASE_APP_URL, DATABASE_SYSTEM_URL, DATABASE_QUEUE_URL: set all three or none.',
    );
  }
  if (env.DATABASE_URL && !env.BERTH_ENCRYPTION_KEYS) {
    throw new BerthError(
      'config-invalid',
      'BERTH_ENCRYPTION_KEYS: is required with DATABASE_URL, so that every replica opens the same secrets (make one: echo "k1:$(openssl rand -base64 32)").',
    );
  }
}

/** Roots under which `file://` repositories are allowed; null: any. Berth's own data is never allowed, whatever the roots say. */
function fileRepositories(text: string | undefined, host: string, dataDirectory: string) {
  const roots = text
    ?.split(':')
    .filter(Boolean)
    .map((root) => path.resolve(root));
  return { fileRoots: roots ?? (isLoopback(host) ? null : []), dataDirectory };
}

/** The environment of this process, read in one place. */
export function loadConfig(): Config {
  return parseConfig(process.env);
}
