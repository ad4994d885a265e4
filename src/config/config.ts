import path from 'node:path';
import { z } from 'zod';
import { BerthError, crashPoints, Secret, type CrashPoint } from '../kernel/index.js';
import { githubOf, githubVariables } from './github-app.js';
import { parsePrivateHosts, privateGitHost } from './private-hosts.js';
import { telemetryVariables, traceExportOf } from './telemetry.js';
import {
  host,
  isLoopback,
  namedIds,
  oneOf,
  ownUrl,
  regionalUrl,
  splitOnce,
  upstreamUrl,
  wholeNumber,
} from './values.js';

export { isLoopback };

const MAX_SECONDS = 7 * 24 * 3600;
const seconds = (fallback: number) => wholeNumber(1, MAX_SECONDS).default(fallback);

/** Node drops what is not base64 without a word; a key with a typing error must not become another key. */
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/_-]{43}=?$/;

const encryptionKeys = z.string().transform((text, context) => {
  const keys = text.split(',').map((entry) => {
    const [id = '', encoded = ''] = splitOnce(entry.trim(), ':');
    return { id, key: Buffer.from(BASE64_OF_32_BYTES.test(encoded) ? encoded : '', 'base64') };
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

const postgresUrl = z.string().refine((text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text), {
  error: 'must be a postgres:// URL',
});

function isPercentEncoded(text: string): boolean {
  return !/%(?![0-9a-f]{2})/i.test(text);
}

/** Without query and fragment: what stands there would be taken for a setting and be none. The number of the database is the path. */
const redisUrl = z.string().refine(
  (text) => {
    if (!/^rediss?:\/\/[^/?#]+(\/\d{0,5})?$/.test(text) || !URL.canParse(text)) return false;
    const { hostname, username, password } = new URL(text);
    return hostname !== '' && isPercentEncoded(username) && isPercentEncoded(password);
  },
  {
    error:
      'must be a redis:// or rediss:// URL, as in redis://user:password@host:6379/0 (other characters than letters and digits in the login as %XX)',
  },
);

const privateHosts = z.string().transform((text, context) => {
  const hosts = parsePrivateHosts(text);
  if (hosts) return hosts;
  context.addIssue({
    code: 'custom',
    message:
      'must be names of hosts with commas between, each as registry.internal or with its address as registry.internal=10.0.3.7 (or =10.0.3.7:8443), and each once',
  });
  return z.NEVER;
});

const environmentSchema = z.object({
  BERTH_ROLE: oneOf('all', 'api', 'worker').default('all'),
  BERTH_HOST: host.default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3000),
  BERTH_PUBLIC_URL: ownUrl.optional(),
  BERTH_DATA_DIR: z.string().min(1).default('.berth'),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_APP_URL: postgresUrl.optional(),
  DATABASE_SYSTEM_URL: postgresUrl.optional(),
  DATABASE_QUEUE_URL: postgresUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  BERTH_ENCRYPTION_KEYS: encryptionKeys.optional(),
  // The upper bound is that of the token in POST /api/v1/setup.
  BERTH_SETUP_TOKEN: z
    .string()
    .min(16, 'must have at least 16 characters')
    .max(500, 'must have at most 500 characters')
    .optional(),
  BERTH_RUNTIME: z
    .enum(['local'], { error: 'must be local (kubernetes comes with a later version)' })
    .default('local'),
  BERTH_SANDBOX: oneOf('required', 'preferred', 'off').default('required'),
  BERTH_FILE_REPOSITORIES: z.string().optional(),
  BERTH_INTERNAL_URL: ownUrl.optional(),
  CLAUDE_BIN: z.string().optional(),
  CODEX_BIN: z.string().optional(),
  BERTH_ANTHROPIC_API_URL: upstreamUrl('https://api.anthropic.com'),
  BERTH_CLAUDE_AUTHORIZE_URL: upstreamUrl('https://claude.ai/oauth/authorize'),
  BERTH_CLAUDE_TOKEN_URL: upstreamUrl('https://platform.claude.com/v1/oauth/token'),
  BERTH_CLAUDE_REDIRECT_URL: upstreamUrl('https://platform.claude.com/oauth/code/callback'),
  // Public clients without a secret: the ones of the agents' own logins (providers.md 1.1 and 4.1).
  BERTH_CLAUDE_CLIENT_ID: z.string().min(1).default('9d1c250a-e61b-44d9-88ed-5944d1962f5e'),
  BERTH_CLAUDE_SCOPES: z
    .string()
    .min(1)
    .default('user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload'),
  BERTH_ANTHROPIC_TOKEN_URL: upstreamUrl('https://api.anthropic.com/v1/oauth/token'),
  BERTH_ANTHROPIC_AUDIENCE: z.string().min(1).default('https://api.anthropic.com'),
  BERTH_ISSUER_KEY_DAYS: wholeNumber(0, 3650).default(0),
  BERTH_OPENAI_API_URL: upstreamUrl('https://api.openai.com'),
  BERTH_CHATGPT_API_URL: upstreamUrl('https://chatgpt.com/backend-api'),
  BERTH_BEDROCK_URL: regionalUrl('https://bedrock-runtime.{region}.amazonaws.com'),
  BERTH_BEDROCK_MODELS: namedIds,
  BERTH_OPENAI_AUTH_URL: upstreamUrl('https://auth.openai.com'),
  BERTH_OPENAI_CLIENT_ID: z.string().min(1).default('app_EMoamEEZ73f0CkXaXp7hrann'),
  BERTH_GITHUB_URL: upstreamUrl('https://github.com'),
  ...githubVariables,
  BERTH_LINEAR_API_URL: upstreamUrl('https://api.linear.app'),
  BERTH_LINEAR_AUTH_URL: upstreamUrl('https://linear.app'),
  LINEAR_CLIENT_ID: z.string().min(1).optional(),
  LINEAR_CLIENT_SECRET: z.string().min(1).optional(),
  LINEAR_WEBHOOK_SECRET: z.string().min(1).optional(),
  BERTH_PRICES_FILE: z.string().optional(),
  BERTH_EGRESS_PRIVATE_HOSTS: privateHosts.default([]),
  BERTH_SUBSCRIPTION_OAUTH: oneOf('on', 'personal', 'off').default('on'),
  BERTH_CLAUDE_MODEL: z.string().min(1).default('claude-sonnet-4-6'),
  BERTH_CODEX_MODEL: z.string().min(1).default('gpt-5.2-codex'),
  BERTH_RUNNER_ORPHAN_SECONDS: seconds(600),
  BERTH_TURN_TIMEOUT_SECONDS: seconds(3600),
  BERTH_SWEEP_SECONDS: seconds(15),
  BERTH_HOST_LOST_SECONDS: wholeNumber(5, MAX_SECONDS).default(300),
  BERTH_CRASH_POINT: z
    .string()
    .regex(
      new RegExp(`^(${crashPoints.join('|')})(:[1-9]\\d{0,3})?$`),
      'must be the name of a crash point, or name:count',
    )
    .optional(),
  LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
  ...telemetryVariables,
});

/** Every variable that is read here. */
export const variableNames: readonly string[] = Object.keys(environmentSchema.shape);

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
  requireWhatRoleNeeds(env);
  requireWholeLinearApp(env);
  const dataDirectory = path.resolve(env.BERTH_DATA_DIR);
  return Object.freeze({
    role: env.BERTH_ROLE,
    logLevel: env.LOG_LEVEL,
    http: { host: env.BERTH_HOST, port: env.PORT, publicUrl: env.BERTH_PUBLIC_URL },
    internalUrl: env.BERTH_INTERNAL_URL,
    dataDirectory,
    database: {
      url: env.DATABASE_URL,
      appUrl: env.DATABASE_APP_URL,
      systemUrl: env.DATABASE_SYSTEM_URL,
      queueUrl: env.DATABASE_QUEUE_URL,
    },
    redisUrl: env.REDIS_URL,
    encryptionKeys: env.BERTH_ENCRYPTION_KEYS,
    setupToken: env.BERTH_SETUP_TOKEN,
    subscriptionOauth: env.BERTH_SUBSCRIPTION_OAUTH,
    pricesFile: env.BERTH_PRICES_FILE,
    upstreams: {
      anthropicUrl: env.BERTH_ANTHROPIC_API_URL,
      openaiUrl: env.BERTH_OPENAI_API_URL,
      chatgptUrl: env.BERTH_CHATGPT_API_URL,
      bedrockUrl: env.BERTH_BEDROCK_URL,
      bedrockModels: env.BERTH_BEDROCK_MODELS,
      githubUrl: env.BERTH_GITHUB_URL,
    },
    logins: {
      claude: {
        authorizeUrl: env.BERTH_CLAUDE_AUTHORIZE_URL,
        tokenUrl: env.BERTH_CLAUDE_TOKEN_URL,
        redirectUrl: env.BERTH_CLAUDE_REDIRECT_URL,
        clientId: env.BERTH_CLAUDE_CLIENT_ID,
        scopes: env.BERTH_CLAUDE_SCOPES,
      },
      openai: { authUrl: env.BERTH_OPENAI_AUTH_URL, clientId: env.BERTH_OPENAI_CLIENT_ID },
    },
    federation: {
      tokenUrl: env.BERTH_ANTHROPIC_TOKEN_URL,
      audience: env.BERTH_ANTHROPIC_AUDIENCE,
      keyDays: env.BERTH_ISSUER_KEY_DAYS,
    },
    github: githubOf(env, env.BERTH_GITHUB_URL),
    linear: {
      apiUrl: env.BERTH_LINEAR_API_URL,
      authUrl: env.BERTH_LINEAR_AUTH_URL,
      app: linearAppOf(env),
    },
    repositories: fileRepositories(env.BERTH_FILE_REPOSITORIES, env.BERTH_HOST, dataDirectory),
    egress: {
      privateHosts: uniqueNames([...env.BERTH_EGRESS_PRIVATE_HOSTS, ...privateGitHost(env.BERTH_GITHUB_URL)]),
    },
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
    hostLostSeconds: env.BERTH_HOST_LOST_SECONDS,
    crashPoint: crashPointOf(env.BERTH_CRASH_POINT),
    traceExport: traceExportOf(env),
  });
}

/** The first of each name. */
function uniqueNames<T extends { name: string }>(entries: T[]): T[] {
  return entries.filter(({ name }, at) => entries.findIndex((entry) => entry.name === name) === at);
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

const LINEAR_APP = ['LINEAR_CLIENT_ID', 'LINEAR_CLIENT_SECRET', 'LINEAR_WEBHOOK_SECRET'] as const;

function requireWholeLinearApp(env: z.infer<typeof environmentSchema>): void {
  const missing = LINEAR_APP.filter((name) => env[name] === undefined);
  if (missing.length === 0 || missing.length === LINEAR_APP.length) return;
  throw new BerthError(
    'config-invalid',
    `${missing.join(', ')}: is missing. An OAuth app of Linear has all three: ${LINEAR_APP.join(', ')}.`,
  );
}

/** The OAuth app as which Berth is known at Linear; null: there is none, and Linear cannot be connected. */
function linearAppOf({
  LINEAR_CLIENT_ID: clientId,
  LINEAR_CLIENT_SECRET: clientSecret,
  LINEAR_WEBHOOK_SECRET: webhookSecret,
}: z.infer<typeof environmentSchema>) {
  if (clientId === undefined || clientSecret === undefined || webhookSecret === undefined) return null;
  return { clientId, clientSecret: new Secret(clientSecret), webhookSecret: new Secret(webhookSecret) };
}

/** One process alone may have a database of its own and be reached where it listens. Several share one, and say where they find each other. */
function requireWhatRoleNeeds(env: z.infer<typeof environmentSchema>): void {
  if (env.BERTH_ROLE === 'all') return;
  if (!env.DATABASE_URL) {
    throw new BerthError(
      'config-invalid',
      `DATABASE_URL: is missing. BERTH_ROLE=${env.BERTH_ROLE} shares a Postgres with the processes of the other role; only BERTH_ROLE=all brings its own.`,
    );
  }
  if (env.BERTH_ROLE === 'worker' && !env.BERTH_INTERNAL_URL) {
    throw new BerthError(
      'config-invalid',
      'BERTH_INTERNAL_URL: is missing. The runners and the proxy of BERTH_ROLE=worker reach the api under it, for example http://127.0.0.1:3000.',
    );
  }
}

/** Where this process kills itself, and at which time of being there; for tests of crashes alone. */
function crashPointOf(text: string | undefined): { name: CrashPoint; count: number } | null {
  if (text === undefined) return null;
  const [name = '', count = '1'] = splitOnce(text, ':');
  return { name: name as CrashPoint, count: Number(count) };
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
