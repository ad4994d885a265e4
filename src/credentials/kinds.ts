import { decodeJwt } from 'jose';
import { z } from 'zod';
import { awsRegionSchema, type Kind } from '../contracts/index.js';
import { BerthError, hintOf, Secret } from '../kernel/index.js';
import type { KindDefinition } from './kind.js';

export type { ParsedCredential, CredentialSettings, Federation, Served, KindDefinition } from './kind.js';

/**
 * A pasted secret: prefix, place and white space are checked, never its length, which providers change. Each mix-up has a sentence that says where the
 * thing belongs.
 */
function pasted(prefix: RegExp, expected: string, mixUps: [RegExp, string][]) {
  return z
    .string('must be text')
    .max(16_384, 'is too long to be a key')
    .superRefine((text, context) => {
      const say = (message: string): void => context.addIssue({ code: 'custom', message });
      if (text === '') return say('must not be empty');
      if (/\s/.test(text)) return say('contains a space or line break; paste the key alone, on one line');
      const mixUp = mixUps.find(([pattern]) => pattern.test(text));
      if (mixUp) return say(mixUp[1]);
      if (!/^[\x21-\x7e]+$/.test(text))
        return say('contains characters that a key cannot have; copy it again');
      if (!prefix.test(text)) say(`does not look like ${expected}`);
    });
}

const OAT = /^sk-ant-oat\d*-/;
const API = /^sk-ant-api\d*-/;
const AWS_KEY_ID = /^(AKIA|ASIA)[A-Z0-9]+$/;
const isAwsKey: [RegExp, string] = [
  AWS_KEY_ID,
  'is an AWS access key id; set it as aws_bedrock, with its secret and a region',
];

const isAdminKey: [RegExp, string] = [
  /^sk-ant-admin/,
  'is an Anthropic admin key, which cannot call models; make an API key, which begins with sk-ant-api03-',
];

const fallback = z.boolean('must be true or false').default(true);

const anthropicKey = pasted(API, 'an Anthropic API key, which begins with sk-ant-api03-', [
  [OAT, 'is a Claude token (sk-ant-oat…), not an API key; set it as claude_setup_token'],
  [/^sk-ant-ort/, 'is a refresh token of a Claude login; an API key begins with sk-ant-api03-'],
  [
    /^sk-ant-admin/,
    'is an Anthropic admin key, which cannot call models; make an API key, which begins with sk-ant-api03-',
  ],
  [/^sk-(?!ant-)/, 'looks like an OpenAI key; set it as openai_api_key'],
  isAwsKey,
]);

const setupToken = pasted(OAT, 'a token of `claude setup-token`, which begins with sk-ant-oat01-', [
  [API, 'is an Anthropic API key (sk-ant-api…), not a setup token; set it as anthropic_api_key'],
  [/^sk-ant-ort/, 'is a refresh token; run `claude setup-token` and paste what it prints (sk-ant-oat01-…)'],
  isAdminKey,
  [/^sk-(?!ant-)/, 'looks like an OpenAI key; set it as openai_api_key'],
  isAwsKey,
]);

const openaiKey = pasted(/^sk-/, 'an OpenAI API key, which begins with sk-', [
  [/^sk-ant-/, 'is an Anthropic key or token; set it as anthropic_api_key or claude_setup_token'],
  [/^eyJ/, 'is an access token of a ChatGPT login, not an API key'],
  isAwsKey,
]);

const ORT = /^sk-ant-ort\d*-/;

const claudeAccess = pasted(OAT, 'the access token of a Claude login, which begins with sk-ant-oat01-', [
  [ORT, 'is the refresh token; the two are swapped'],
  [API, 'is an Anthropic API key (sk-ant-api…), not a login; set it as anthropic_api_key'],
]);

const claudeRefresh = pasted(ORT, 'the refresh token of a Claude login, which begins with sk-ant-ort01-', [
  [OAT, 'is an access token; the two are swapped, or the refresh token is missing'],
  [API, 'is an Anthropic API key (sk-ant-api…), not a login; set it as anthropic_api_key'],
]);

const openaiAccess = pasted(
  /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/,
  'the access token of a ChatGPT login, which begins with eyJ',
  [
    [/^sk-(?!ant-)/, 'is an OpenAI API key, not a login; set it as openai_api_key'],
    [/^rt[._]/, 'is a refresh token; the two are swapped'],
  ],
);

const openaiRefresh = pasted(/^[\w.~+/=-]{20,}$/, 'the refresh token of a ChatGPT login', [
  [/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/, 'is an access token; the two are swapped'],
  [/^sk-/, 'is an OpenAI API key, not a login; set it as openai_api_key'],
]);

const imported = z.iso
  .datetime({
    offset: true,
    error: 'must be the time at which the access token runs out, as in 2026-11-25T12:00:00Z',
  })
  .transform((text) => new Date(text));

/** It goes into a header, which takes no other characters: every call would fail with one. */
const ACCOUNT_ID = /^[\x21-\x7e]{1,200}$/;

const accountId = z
  .string('must be text')
  .min(1, { error: 'must not be empty', abort: true })
  .regex(ACCOUNT_ID, 'contains a space, a line break or what no account id has; paste it alone, on one line');

/** Claims of OpenAI's own in a token of a ChatGPT login (providers.md 4.4). Unsigned for us: they only say what to show and which account to name. */
export function chatgptAccountOf(token: string): {
  accountId: string | null;
  email: string | null;
  plan: string | null;
} {
  const claims = claimsOf(token);
  const auth = (claims['https://api.openai.com/auth'] ?? {}) as Record<string, unknown>;
  const profile = (claims['https://api.openai.com/profile'] ?? {}) as Record<string, unknown>;
  const said = (value: unknown): string | null =>
    typeof value === 'string' && value !== '' ? value.slice(0, 200) : null;
  const account = said(auth.chatgpt_account_id);
  return {
    accountId: account !== null && ACCOUNT_ID.test(account) ? account : null,
    email: said(claims.email) ?? said(profile.email),
    plan: said(auth.chatgpt_plan_type),
  };
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

/** As it stands in a repository's URL: a name, and a port where there is one. */
const GIT_HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/;

const gitHost = z
  .string('must be text')
  .max(260, 'is too long to be a host')
  .transform((text) => text.trim().toLowerCase())
  .superRefine((host, context) => {
    if (GIT_HOST.test(host)) return;
    const message = /[/@]/.test(host)
      ? 'must be the host alone, without https:// and without a path, as in github.com'
      : 'must be the name of a git host, as in github.com';
    context.addIssue({ code: 'custom', message });
  })
  // A port that is the usual one of https is not said in a URL.
  .transform((host) => host.replace(/:443$/, ''));

const isModelKey = 'is a key or token of a model provider, and would be sent to the git host';

const gitToken = pasted(/^[\x21-\x7e]+$/, 'an access token', [
  [/^sk-/, isModelKey],
  [/^berth_/, 'is an API key of Berth; make an access token at the git host'],
  [/^[a-z]+:\/\//, 'is a URL; paste the token alone'],
  isAwsKey,
]);

/** The user name that goes with a token: GitHub wants this one of apps, and any with a person's token (github.md 8); so do the others that take a token as the password. */
const GIT_USERNAME = 'x-access-token';

const UUID = 'must be an id (a UUID), as the Console shows it';

export const kinds: Record<Kind, KindDefinition> = {
  claude_oauth: {
    serves: 'claude',
    title: 'Claude login',
    subscription: true,
    renewal: 'login',
    // providers.md 1.3: from the interactive login on.
    loginDays: 30,
    input: z
      .strictObject({ accessToken: claudeAccess, refreshToken: claudeRefresh, expiresAt: imported })
      .transform(({ accessToken, refreshToken, expiresAt }) => ({
        secret: { accessToken, refreshToken },
        hint: hintOf(accessToken),
        settings: {},
        expiresAt,
      })),
    lease: ({ accessToken = '' }) => ({ kind: 'claude_oauth', token: accessToken }),
  },
  anthropic_wif: {
    serves: 'claude',
    title: 'Anthropic workload identity',
    subscription: false,
    renewal: 'minted',
    loginDays: null,
    input: z
      .strictObject({
        federationRuleId: z
          .string('must be text')
          .regex(/^fdrl_\w{1,100}$/, 'must be the id of a federation rule, which begins with fdrl_'),
        organizationId: z.uuid(UUID),
        serviceAccountId: z
          .string('must be text')
          .regex(/^svac_\w{1,100}$/, 'must be the id of a service account, which begins with svac_'),
        workspaceId: z
          .string('must be text')
          .regex(
            /^(wrkspc_\w{1,100}|default)$/,
            'must be the id of an Anthropic workspace, which begins with wrkspc_, or default',
          )
          .optional(),
        identity: z.enum(['berth', 'kubernetes'], { error: 'must be berth or kubernetes' }),
      })
      .transform(({ federationRuleId, workspaceId, ...rest }) => ({
        secret: {},
        hint: hintOf(federationRuleId),
        settings: { federation: { ruleId: federationRuleId, workspaceId: workspaceId ?? null, ...rest } },
        expiresAt: null,
      })),
    lease: ({ token = '' }) => ({ kind: 'anthropic_wif', token }),
  },
  openai_oauth: {
    serves: 'codex',
    title: 'ChatGPT login',
    subscription: true,
    renewal: 'login',
    loginDays: null,
    input: z
      .strictObject({
        accessToken: openaiAccess,
        refreshToken: openaiRefresh,
        expiresAt: imported,
        accountId: accountId.optional(),
      })
      .transform((body) => ({ ...body, claims: chatgptAccountOf(body.accessToken) }))
      .refine(({ accountId, claims }) => accountId ?? claims.accountId, {
        path: ['accountId'],
        error:
          'is missing, and the access token does not name it; it stands in ~/.codex/auth.json as account_id',
      })
      .transform(
        ({ accessToken, refreshToken, expiresAt, accountId, claims: { email, plan, ...claims } }) => ({
          secret: { accessToken, refreshToken, accountId: accountId ?? claims.accountId ?? '' },
          hint: hintOf(accessToken),
          settings: { account: { email, plan } },
          expiresAt,
        }),
      ),
    lease: ({ accessToken = '', accountId = '' }) => ({
      kind: 'openai_oauth',
      token: accessToken,
      accountId,
    }),
  },
  claude_setup_token: {
    serves: 'claude',
    title: 'Claude setup token',
    subscription: true,
    renewal: null,
    loginDays: null,
    input: z
      .strictObject({ token: setupToken })
      .transform(({ token }) => ({ secret: { token }, hint: hintOf(token), settings: {}, expiresAt: null })),
    lease: ({ token = '' }) => ({ kind: 'claude_setup_token', token }),
  },
  anthropic_api_key: {
    serves: 'claude',
    title: 'Anthropic API key',
    subscription: false,
    renewal: null,
    loginDays: null,
    input: z.strictObject({ apiKey: anthropicKey, fallback }).transform(({ apiKey, fallback }) => ({
      secret: { apiKey },
      hint: hintOf(apiKey),
      settings: { fallback },
      expiresAt: null,
    })),
    lease: ({ apiKey = '' }) => ({ kind: 'anthropic_api_key', apiKey }),
  },
  aws_bedrock: {
    serves: 'claude',
    title: 'AWS Bedrock',
    subscription: false,
    renewal: null,
    loginDays: null,
    input: z
      .strictObject({
        accessKeyId: pasted(AWS_KEY_ID, 'an AWS access key id, which begins with AKIA or ASIA', []),
        secretAccessKey: pasted(/^[A-Za-z0-9/+=]+$/, 'an AWS secret access key', [
          [AWS_KEY_ID, 'is an access key id; the secret access key belongs here'],
        ]),
        sessionToken: pasted(/^[A-Za-z0-9/+=_-]+$/, 'an AWS session token', []).optional(),
        region: z
          .string(
            'is missing: an AWS key works in one region at a time; add the region, for example us-east-1',
          )
          .pipe(awsRegionSchema),
        fallback,
      })
      .refine((body) => !body.accessKeyId.startsWith('ASIA') || body.sessionToken, {
        path: ['sessionToken'],
        error: 'is missing: a temporary key (ASIA…) works only with its session token',
      })
      .transform(({ accessKeyId, secretAccessKey, sessionToken, region, fallback }) => ({
        secret: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
        hint: hintOf(accessKeyId),
        settings: { region, fallback },
        expiresAt: null,
      })),
    lease: ({ accessKeyId = '', secretAccessKey = '', sessionToken }, { region = '' }) => ({
      kind: 'aws_bedrock',
      accessKeyId,
      secretAccessKey,
      sessionToken: sessionToken ?? null,
      region,
    }),
  },
  openai_api_key: {
    serves: 'codex',
    title: 'OpenAI API key',
    subscription: false,
    renewal: null,
    loginDays: null,
    input: z.strictObject({ apiKey: openaiKey, fallback }).transform(({ apiKey, fallback }) => ({
      secret: { apiKey },
      hint: hintOf(apiKey),
      settings: { fallback },
      expiresAt: null,
    })),
    lease: ({ apiKey = '' }) => ({ kind: 'openai_api_key', apiKey }),
  },
  git_token: {
    serves: 'git',
    title: 'git token',
    subscription: false,
    renewal: null,
    loginDays: null,
    input: z.strictObject({ host: gitHost, token: gitToken }).transform(({ host, token }) => ({
      // The host is sealed with the token, so that no change of a row sends it elsewhere.
      secret: { host, token },
      hint: `${host} ${hintOf(token)}`,
      settings: { host },
      expiresAt: null,
    })),
    lease: ({ host = '', token = '' }) => ({ kind: 'git_token', host, username: GIT_USERNAME, token }),
  },
  github_installation: {
    serves: 'git',
    title: 'installation of the GitHub App',
    subscription: false,
    renewal: 'minted',
    loginDays: null,
    input: z.never('is not set by hand: it comes with connecting GitHub, and goes with it'),
    // To the proxy it is a git token as any other: of one host, and (at GitHub) for one repository.
    lease: ({ host = '', token = '' }) => ({ kind: 'git_token', host, username: GIT_USERNAME, token }),
  },
  linear_app: {
    serves: null,
    title: 'login of the Linear app',
    subscription: false,
    renewal: 'login',
    loginDays: null,
    input: z.never('is not set by hand: it comes with connecting Linear, and goes with it'),
    // Nothing resolves to it, so that no workspace's proxy ever holds it.
    lease: () => {
      throw new BerthError('internal', 'The login of the Linear app is lent to no workspace.');
    },
  },
};

/** The sealed form: JSON of the secret's parts. */
export function secretText(parts: Record<string, string>): Secret {
  return new Secret(JSON.stringify(parts));
}
