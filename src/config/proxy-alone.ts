import { z } from 'zod';
import { BerthError } from '../kernel/errors.js';
import { Secret } from '../kernel/secret.js';
import { apiKeySchema, type Environment } from './cli-values.js';
import {
  host,
  isSafeForSecrets,
  namedIds,
  oneOf,
  ownUrl,
  regionalUrl,
  secretsUrl,
  upstreamUrl,
  wholeNumber,
} from './values.js';

/** How the proxy on its own comes by the token that says who it is. */
export type AssertionSettings =
  | { from: 'github'; requestUrl: string; requestToken: Secret; audience: string }
  /** Read at each exchange, since whoever wrote it writes it anew before it ends. */
  | { from: 'file'; path: string };

/** Who gives something for the identity, and what it has to be told. */
type Provided =
  | {
      provider: 'anthropic';
      tokenUrl: string;
      target: {
        ruleId: string;
        organizationId: string;
        serviceAccountId: string;
        workspaceId: string | null;
      };
    }
  | { provider: 'azure'; tokenUrl: string; clientId: string; scope: string }
  | {
      provider: 'gcp';
      stsUrl: string;
      iamUrl: string;
      workloadIdentityProvider: string;
      /** Whom the identity speaks for; null: for itself. */
      serviceAccount: string | null;
      scope: string;
      place: { project: string; region: string };
    }
  | { provider: 'aws'; stsUrl: string; roleArn: string; roleSessionName: string; region: string };

export type IdentitySource = Provided & { from: 'identity'; assertion: AssertionSettings };
export type IdentityOf<P extends Provided['provider']> = Extract<IdentitySource, { provider: P }>;

/** What the proxy on its own puts on requests. */
export type CredentialSource =
  | { from: 'keys'; anthropic: Secret | null; openai: Secret | null }
  | IdentitySource
  | { from: 'berth'; url: string; token: Secret | { file: string } };

export interface ProxyAloneSettings {
  host: string;
  ports: { openai: number; anthropic: number };
  upstreams: { anthropicUrl: string; openaiUrl: string; chatgptUrl: string; bedrockUrl: string };
  bedrockModels: Record<string, string>;
  credentials: CredentialSource;
  /** Variables that are set and not used, since what is used was chosen by another one. */
  unused: string[];
}

/** `api.example.com` or a URL. */
const target = z
  .string()
  .transform((text) => (text.includes('://') ? text : `https://${text}`))
  .pipe(secretsUrl)
  .optional();

/** It becomes a part of a host's name. */
const awsRegion = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region of AWS, as in us-east-1');

/** GitHub's has a query already. */
const requestUrl = z.string().refine(
  (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    return url !== null && isSafeForSecrets(url) && !url.username && !url.password && !url.hash;
  },
  { error: 'must be an absolute https:// URL (http:// only on loopback), without user name and fragment' },
);

const environmentSchema = z.object({
  BERTH_PROXY_HOST: host.default('127.0.0.1'),
  BERTH_PROXY_OPENAI_PORT: wholeNumber(0, 65_535).default(10_000),
  BERTH_PROXY_ANTHROPIC_PORT: wholeNumber(0, 65_535).default(10_001),
  ANTHROPIC_API_TARGET: target,
  OPENAI_API_TARGET: target,
  // For leases of kinds that only a control plane has.
  BERTH_CHATGPT_API_URL: upstreamUrl('https://chatgpt.com/backend-api'),
  BERTH_BEDROCK_URL: regionalUrl('https://bedrock-runtime.{region}.amazonaws.com'),
  BERTH_BEDROCK_MODELS: namedIds,
  ANTHROPIC_API_KEY: apiKeySchema.optional(),
  OPENAI_API_KEY: apiKeySchema.optional(),
  AWF_AUTH_TYPE: oneOf('github-oidc').optional(),
  AWF_AUTH_PROVIDER: z
    .enum(['anthropic', 'aws', 'azure', 'gcp'], { error: 'must be one of anthropic, aws, azure, gcp' })
    .optional(),
  AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID: z.string().optional(),
  AWF_AUTH_ANTHROPIC_ORGANIZATION_ID: z.string().optional(),
  AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID: z.string().optional(),
  AWF_AUTH_ANTHROPIC_WORKSPACE_ID: z.string().optional(),
  AWF_AUTH_ANTHROPIC_TOKEN_URL: upstreamUrl('https://api.anthropic.com/v1/oauth/token'),
  AWF_AUTH_AWS_ROLE_ARN: z
    .string()
    .regex(/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role')
    .optional(),
  AWF_AUTH_AWS_REGION: awsRegion.optional(),
  AWF_AUTH_AWS_ROLE_SESSION_NAME: z
    .string()
    .regex(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits and + = , . @ -')
    .default('awf-oidc-session'),
  AWF_AUTH_AWS_STS_URL: secretsUrl.optional(),
  AWF_AUTH_AZURE_TENANT_ID: z
    .string()
    .regex(/^[\w.-]+$/, 'must be the id or a domain of a tenant')
    .optional(),
  AWF_AUTH_AZURE_CLIENT_ID: z.string().optional(),
  AWF_AUTH_AZURE_SCOPE: z.string().default('https://cognitiveservices.azure.com/.default'),
  AWF_AUTH_AZURE_CLOUD: oneOf('public', 'usgovernment', 'china').default('public'),
  AWF_AUTH_AZURE_TOKEN_URL: secretsUrl.optional(),
  AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER: z
    .string()
    .regex(
      /^projects\/\d+\/locations\/global\/workloadIdentityPools\/[\w-]+\/providers\/[\w-]+$/,
      'must be projects/…/locations/global/workloadIdentityPools/…/providers/…',
    )
    .optional(),
  AWF_AUTH_GCP_SERVICE_ACCOUNT: z.string().optional(),
  AWF_AUTH_GCP_SCOPE: z.string().default('https://www.googleapis.com/auth/cloud-platform'),
  AWF_AUTH_GCP_STS_URL: upstreamUrl('https://sts.googleapis.com'),
  AWF_AUTH_GCP_IAM_URL: upstreamUrl('https://iamcredentials.googleapis.com'),
  ANTHROPIC_VERTEX_PROJECT_ID: z
    .string()
    .regex(/^[\w:.-]+$/, 'must be the id of a project')
    .optional(),
  CLOUD_ML_REGION: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be a region of Google Cloud, or global')
    .optional(),
  AWF_AUTH_OIDC_AUDIENCE: z.string().optional(),
  ACTIONS_ID_TOKEN_REQUEST_URL: requestUrl.optional(),
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: apiKeySchema.optional(),
  ANTHROPIC_IDENTITY_TOKEN_FILE: z.string().optional(),
  BERTH_URL: ownUrl.optional(),
  BERTH_WORKLOAD_TOKEN: apiKeySchema.optional(),
  BERTH_WORKLOAD_TOKEN_FILE: z.string().optional(),
});
type Variables = z.infer<typeof environmentSchema>;
type Name = keyof Variables;

/** Every variable that the proxy on its own reads. */
export const proxyAloneVariables: readonly string[] = Object.keys(environmentSchema.shape);

/** Reads the environment of the proxy on its own. A blank variable counts as absent. Throws `config-invalid` that names every wrong or missing variable and never repeats a value. */
export function parseProxyAlone(environment: Environment): ProxyAloneSettings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    throw invalid(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  const env = parsed.data;
  const { source, ignores } = sourceOf(env);
  return {
    host: env.BERTH_PROXY_HOST,
    ports: { openai: env.BERTH_PROXY_OPENAI_PORT, anthropic: env.BERTH_PROXY_ANTHROPIC_PORT },
    upstreams: {
      anthropicUrl: env.ANTHROPIC_API_TARGET ?? anthropicUrlOf(source),
      openaiUrl: env.OPENAI_API_TARGET ?? 'https://api.openai.com',
      chatgptUrl: env.BERTH_CHATGPT_API_URL,
      bedrockUrl: env.BERTH_BEDROCK_URL,
    },
    bedrockModels: env.BERTH_BEDROCK_MODELS,
    credentials: source,
    unused: ignores.filter((name) => env[name] !== undefined),
  };
}

const KEYS: Name[] = ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'];

/** One source alone, chosen by what is set and never by what works: no failure makes it another. */
function sourceOf(env: Variables): { source: CredentialSource; ignores: Name[] } {
  if (env.BERTH_URL !== undefined && env.AWF_AUTH_TYPE !== undefined) {
    throw invalid(['BERTH_URL, AWF_AUTH_TYPE: set one of the two, not both']);
  }
  if (env.BERTH_URL !== undefined) return { source: ofBerth(env, env.BERTH_URL), ignores: KEYS };
  if (env.AWF_AUTH_TYPE !== undefined) return { source: ofIdentity(env), ignores: KEYS };
  const { ANTHROPIC_API_KEY: anthropic, OPENAI_API_KEY: openai } = env;
  if (anthropic === undefined && openai === undefined) {
    throw invalid([
      'ANTHROPIC_API_KEY, OPENAI_API_KEY: neither is set. Set one of them, or AWF_AUTH_TYPE, or BERTH_URL',
    ]);
  }
  return {
    source: { from: 'keys', anthropic: secretOf(anthropic), openai: secretOf(openai) },
    ignores: [],
  };
}

function ofBerth(env: Variables, url: string): CredentialSource {
  const { BERTH_WORKLOAD_TOKEN: token, BERTH_WORKLOAD_TOKEN_FILE: file } = env;
  if (token !== undefined) return { from: 'berth', url, token: new Secret(token) };
  if (file !== undefined) return { from: 'berth', url, token: { file } };
  // The `berth` command has BERTH_URL too, so that it may stand in a shell for that alone.
  throw invalid([
    'BERTH_WORKLOAD_TOKEN (or BERTH_WORKLOAD_TOKEN_FILE): is missing, and BERTH_URL needs it. Unset BERTH_URL to use a key or AWF_AUTH_TYPE',
  ]);
}

const AZURE_HOSTS = {
  public: 'login.microsoftonline.com',
  usgovernment: 'login.microsoftonline.us',
  china: 'login.chinacloudapi.cn',
};

function ofIdentity(env: Variables): CredentialSource {
  const provider = env.AWF_AUTH_PROVIDER;
  const file = env.ANTHROPIC_IDENTITY_TOKEN_FILE;
  const required: Name[] = [
    'AWF_AUTH_PROVIDER',
    ...PROVIDERS[provider ?? 'anthropic'].required,
    ...(file === undefined ? GITHUB : []),
  ];
  const absent = required.filter((name) => env[name] === undefined);
  if (provider === undefined || absent.length > 0) throw missing(absent, 'AWF_AUTH_TYPE');
  const assertion: AssertionSettings =
    file === undefined
      ? {
          from: 'github',
          requestUrl: env.ACTIONS_ID_TOKEN_REQUEST_URL ?? '',
          requestToken: new Secret(env.ACTIONS_ID_TOKEN_REQUEST_TOKEN ?? ''),
          audience: env.AWF_AUTH_OIDC_AUDIENCE ?? PROVIDERS[provider].audience(env),
        }
      : { from: 'file', path: file };
  return { from: 'identity', assertion, ...PROVIDERS[provider].read(env) };
}

const GITHUB: Name[] = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'];

/** Of Google each region has a host of its own. */
function anthropicUrlOf(source: CredentialSource): string {
  if (source.from !== 'identity' || source.provider !== 'gcp') return 'https://api.anthropic.com';
  const { region } = source.place;
  return `https://${region === 'global' ? '' : `${region}-`}aiplatform.googleapis.com/v1`;
}

interface Provider {
  /** What it needs beside the identity. */
  required: Name[];
  /** For whom the identity token is, as it expects it (providers.md 2.6). */
  audience(env: Variables): string;
  /** Of variables that were found to be there. */
  read(env: Variables): Provided;
}

const anthropic: Provider = {
  required: [
    'AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID',
    'AWF_AUTH_ANTHROPIC_ORGANIZATION_ID',
    'AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID',
  ],
  audience: () => 'https://api.anthropic.com',
  read: (env) => ({
    provider: 'anthropic',
    tokenUrl: env.AWF_AUTH_ANTHROPIC_TOKEN_URL,
    target: {
      ruleId: env.AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID ?? '',
      organizationId: env.AWF_AUTH_ANTHROPIC_ORGANIZATION_ID ?? '',
      serviceAccountId: env.AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID ?? '',
      workspaceId: env.AWF_AUTH_ANTHROPIC_WORKSPACE_ID ?? null,
    },
  }),
};

const aws: Provider = {
  required: ['AWF_AUTH_AWS_ROLE_ARN', 'AWF_AUTH_AWS_REGION'],
  audience: () => 'sts.amazonaws.com',
  read: (env) => {
    const region = env.AWF_AUTH_AWS_REGION ?? '';
    const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    return {
      provider: 'aws',
      stsUrl: env.AWF_AUTH_AWS_STS_URL ?? `https://sts.${region}.${domain}`,
      roleArn: env.AWF_AUTH_AWS_ROLE_ARN ?? '',
      roleSessionName: env.AWF_AUTH_AWS_ROLE_SESSION_NAME,
      region,
    };
  },
};

const azure: Provider = {
  // Every resource of Azure has a host of its own.
  required: ['AWF_AUTH_AZURE_TENANT_ID', 'AWF_AUTH_AZURE_CLIENT_ID', 'OPENAI_API_TARGET'],
  audience: () => 'api://AzureADTokenExchange',
  read: (env) => {
    const host = AZURE_HOSTS[env.AWF_AUTH_AZURE_CLOUD];
    const ofTenant = `https://${host}/${env.AWF_AUTH_AZURE_TENANT_ID ?? ''}/oauth2/v2.0/token`;
    return {
      provider: 'azure',
      tokenUrl: env.AWF_AUTH_AZURE_TOKEN_URL ?? ofTenant,
      clientId: env.AWF_AUTH_AZURE_CLIENT_ID ?? '',
      scope: env.AWF_AUTH_AZURE_SCOPE,
    };
  },
};

const gcp: Provider = {
  required: ['AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER', 'ANTHROPIC_VERTEX_PROJECT_ID', 'CLOUD_ML_REGION'],
  audience: (env) => env.AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER ?? '',
  read: (env) => ({
    provider: 'gcp',
    stsUrl: env.AWF_AUTH_GCP_STS_URL,
    iamUrl: env.AWF_AUTH_GCP_IAM_URL,
    workloadIdentityProvider: env.AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER ?? '',
    serviceAccount: env.AWF_AUTH_GCP_SERVICE_ACCOUNT ?? null,
    scope: env.AWF_AUTH_GCP_SCOPE,
    place: { project: env.ANTHROPIC_VERTEX_PROJECT_ID ?? '', region: env.CLOUD_ML_REGION ?? '' },
  }),
};

const PROVIDERS: Record<Provided['provider'], Provider> = { anthropic, aws, azure, gcp };

function secretOf(text: string | undefined): Secret | null {
  return text === undefined ? null : new Secret(text);
}

function missing(names: string[], because: string): BerthError {
  return invalid(names.map((name) => `${name}: is missing, and ${because} needs it`));
}

function invalid(lines: string[]): BerthError {
  return new BerthError(
    'config-invalid',
    `The proxy cannot start with this environment.\n  ${lines.join('\n  ')}`,
  );
}

/** The environment of this process, read in one place. */
export function loadProxyAlone(): ProxyAloneSettings {
  return parseProxyAlone(process.env);
}
