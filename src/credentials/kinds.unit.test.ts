import { kindSchema, type Kind } from '../contracts/index.js';
import { kinds, secretText } from './kinds.js';
import { kindOrder } from './resolution.js';

/** What is said about a paste; null when it is taken. */
function said(kind: Kind, body: unknown): string | null {
  const parsed = kinds[kind].input.safeParse(body);
  return parsed.success ? null : parsed.error.issues.map(({ message }) => message).join(' | ');
}

const API_KEY = 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const SETUP = 'sk-ant-oat01-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const REFRESH = 'sk-ant-ort01-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const ADMIN = 'sk-ant-admin01-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const OPENAI = 'sk-proj-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const GIT_TOKEN = 'github_pat_11Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln';
const AWS_ID = 'AKIAIOSFODNN7EXAMPLE';
const TEMPORARY_ID = 'ASIAIOSFODNN7EXAMPLE';
const AWS_SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

const LINE = /space or line break/;
const EMPTY = /must not be empty/;
const STRANGE = /characters that a key cannot have/;

/** What is pasted, and what must be said; null: it is taken. */
const pastes: Record<
  'anthropic_api_key' | 'claude_setup_token' | 'openai_api_key',
  [string, RegExp | null][]
> = {
  anthropic_api_key: [
    [API_KEY, null],
    ['sk-ant-api04-later', null],
    ['sk-ant-api03-x', null],
    [`sk-ant-api03-${'x'.repeat(300)}`, null],
    [SETUP, /is a Claude token.*set it as claude_setup_token/],
    [REFRESH, /is a refresh token of a Claude login/],
    [ADMIN, /is an Anthropic admin key, which cannot call models/],
    [OPENAI, /looks like an OpenAI key; set it as openai_api_key/],
    ['sk-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2', /looks like an OpenAI key/],
    [AWS_ID, /is an AWS access key id; set it as aws_bedrock/],
    [JWT, /does not look like an Anthropic API key, which begins with sk-ant-api03-/],
    ['hello', /does not look like an Anthropic API key/],
    ['SK-ANT-API03-X', /does not look like an Anthropic API key/],
    [`"${API_KEY}"`, /does not look like an Anthropic API key/],
    [`ANTHROPIC_API_KEY=${API_KEY}`, /does not look like an Anthropic API key/],
    ['', EMPTY],
    [' ', LINE],
    [` ${API_KEY}`, LINE],
    [`${API_KEY} `, LINE],
    [`${API_KEY}\n`, LINE],
    [`${API_KEY.slice(0, 20)}\r\n${API_KEY.slice(20)}`, LINE],
    [`${API_KEY}\t`, LINE],
    [`${API_KEY}\u00a0`, LINE],
    [`${API_KEY}\u200b`, STRANGE],
    [`${API_KEY}\u0000`, STRANGE],
    [`${API_KEY}\u2026`, STRANGE],
  ],
  claude_setup_token: [
    [SETUP, null],
    ['sk-ant-oat02-x', null],
    [API_KEY, /is an Anthropic API key.*not a setup token; set it as anthropic_api_key/],
    [REFRESH, /is a refresh token; run `claude setup-token`/],
    [ADMIN, /is an Anthropic admin key/],
    [OPENAI, /looks like an OpenAI key; set it as openai_api_key/],
    [AWS_ID, /is an AWS access key id; set it as aws_bedrock/],
    [JWT, /does not look like a token of `claude setup-token`/],
    ['', EMPTY],
    [`${SETUP}\n`, LINE],
    [`${SETUP.slice(0, 20)} ${SETUP.slice(20)}`, LINE],
  ],
  openai_api_key: [
    [OPENAI, null],
    ['sk-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2', null],
    ['sk-svcacct-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2', null],
    [API_KEY, /is an Anthropic key or token; set it as anthropic_api_key or claude_setup_token/],
    [SETUP, /is an Anthropic key or token/],
    [JWT, /is an access token of a ChatGPT login, not an API key/],
    [AWS_ID, /is an AWS access key id; set it as aws_bedrock/],
    ['hello', /does not look like an OpenAI API key, which begins with sk-/],
    ['', EMPTY],
    [`${OPENAI}\n`, LINE],
  ],
};

describe.each(Object.entries(pastes) as [keyof typeof pastes, [string, RegExp | null][]][])(
  'a paste into %s',
  (kind, table) => {
    it.each(table)('%j', (text, expected) => {
      const message = said(kind, kind === 'claude_setup_token' ? { token: text } : { apiKey: text });
      if (expected === null) expect(message).toBeNull();
      else expect(message).toMatch(expected);
      // One sentence, which does not repeat the paste.
      expect(message ?? '').not.toContain('|');
      if (text.trim().length > 5) expect(message ?? '').not.toContain(text.trim());
    });
  },
);

describe('aws_bedrock', () => {
  const whole = { accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET, region: 'us-east-1' };
  it.each<[string, object, RegExp | null]>([
    ['whole', whole, null],
    ['a region of the government', { ...whole, region: 'us-gov-west-1' }, null],
    [
      'a temporary key with its session token',
      { ...whole, accessKeyId: TEMPORARY_ID, sessionToken: 'IQoJb3JpZ2luX2VjE-/+=' },
      null,
    ],
    [
      'without region',
      { accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET },
      /^is missing: an AWS key works in one region/,
    ],
    ['with an empty region', { ...whole, region: '' }, /must be an AWS region, for example us-east-1/],
    ['with a zone for a region', { ...whole, region: 'us-east-1a' }, /must be an AWS region/],
    ['with a name for a region', { ...whole, region: 'N. Virginia' }, /must be an AWS region/],
    ['with a host for a region', { ...whole, region: 'us-east-1.evil.example/?-1' }, /must be an AWS region/],
    [
      'a temporary key without session token',
      { ...whole, accessKeyId: TEMPORARY_ID },
      /^is missing: a temporary key \(ASIA…\) works only with its session token$/,
    ],
    [
      'with the secret in place of the id',
      { ...whole, accessKeyId: AWS_SECRET },
      /does not look like an AWS access key id, which begins with AKIA or ASIA/,
    ],
    [
      'with the id in place of the secret',
      { ...whole, secretAccessKey: AWS_ID },
      /is an access key id; the secret access key belongs here/,
    ],
    [
      'with an Anthropic key as the id',
      { ...whole, accessKeyId: API_KEY },
      /does not look like an AWS access key id/,
    ],
    ['with a line break in the secret', { ...whole, secretAccessKey: `${AWS_SECRET}\n` }, LINE],
    ['with a space after the id', { ...whole, accessKeyId: `${AWS_ID} ` }, LINE],
    ['with an empty id', { ...whole, accessKeyId: '' }, EMPTY],
    ['with an empty session token', { ...whole, sessionToken: '' }, EMPTY],
  ])('%s', (_, body, expected) => {
    const message = said('aws_bedrock', body);
    if (expected === null) expect(message).toBeNull();
    else expect(message).toMatch(expected);
    expect(message ?? '').not.toContain(AWS_SECRET);
  });
});

/** A pair as it stands in a file of the agent's, with the end of its access token. */
const claudePair = { accessToken: SETUP, refreshToken: REFRESH, expiresAt: '2026-11-25T12:00:00Z' };
const openaiPair = {
  accessToken: JWT,
  refreshToken: 'rt_Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
  expiresAt: '2026-11-25T12:00:00Z',
  accountId: 'account-1',
};

/** An access token of a ChatGPT login that names this account. */
function jwtNaming(account: string): string {
  const claims = { 'https://api.openai.com/auth': { chatgpt_account_id: account } };
  return `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

describe('an imported login', () => {
  const until = /must be the time at which the access token runs out, as in 2026-11-25T12:00:00Z/;
  const swapped = ({ accessToken, refreshToken, ...rest }: typeof claudePair) => ({
    ...rest,
    accessToken: refreshToken,
    refreshToken: accessToken,
  });

  it.each<[Kind, string, object, RegExp | null]>([
    ['claude_oauth', 'as it is', claudePair, null],
    ['claude_oauth', 'without an end', { ...claudePair, expiresAt: undefined }, until],
    ['claude_oauth', 'with an end in milliseconds', { ...claudePair, expiresAt: 1_764_072_000_000 }, until],
    ['claude_oauth', 'with an end in words', { ...claudePair, expiresAt: 'tomorrow' }, until],
    [
      'claude_oauth',
      'with the two swapped',
      swapped(claudePair),
      /refresh token; the two are swapped \| .*the two are swapped/,
    ],
    [
      'claude_oauth',
      'with one of them twice',
      { ...claudePair, refreshToken: SETUP },
      /refresh token is missing/,
    ],
    ['claude_oauth', 'with a key', { ...claudePair, accessToken: API_KEY }, /set it as anthropic_api_key/],
    ['claude_oauth', 'with a line break', { ...claudePair, refreshToken: `${REFRESH}\n` }, LINE],
    ['openai_oauth', 'as it is', openaiPair, null],
    ['openai_oauth', 'without an end', { ...openaiPair, expiresAt: undefined }, until],
    [
      'openai_oauth',
      'with the two swapped',
      swapped(openaiPair),
      /the two are swapped \| .*the two are swapped/,
    ],
    ['openai_oauth', 'with a key', { ...openaiPair, accessToken: OPENAI }, /set it as openai_api_key/],
    [
      'openai_oauth',
      'without an account',
      { ...openaiPair, accountId: undefined },
      /stands in ~\/\.codex\/auth\.json/,
    ],
    [
      'openai_oauth',
      'with an account and a line break',
      { ...openaiPair, accountId: 'account-1\n' },
      /paste it alone, on one line/,
    ],
    ['openai_oauth', 'with an empty account', { ...openaiPair, accountId: '' }, EMPTY],
    [
      'openai_oauth',
      'with an account that its token names and no header takes',
      { ...openaiPair, accessToken: jwtNaming('account\n1'), accountId: undefined },
      /stands in ~\/\.codex\/auth\.json/,
    ],
  ])('of %s %s', (kind, _, body, expected) => {
    const message = said(kind, body);
    if (expected === null) expect(message).toBeNull();
    else expect(message).toMatch(expected);
    expect(message ?? '').not.toContain('Zq8rT1');
  });
});

describe('a workload identity', () => {
  const id = '00000000-0000-4000-8000-000000000001';
  const whole = {
    federationRuleId: 'fdrl_01Acme',
    organizationId: id,
    serviceAccountId: 'svac_01Acme',
    identity: 'berth',
  };
  const rule = /must be the id of a federation rule, which begins with fdrl_/;

  it.each<[string, object, RegExp | null]>([
    ['as it is', whole, null],
    ['with the workspace named', { ...whole, workspaceId: 'wrkspc_01Acme' }, null],
    ['with the default one', { ...whole, workspaceId: 'default' }, null],
    ['with a rule that is a service account', { ...whole, federationRuleId: 'svac_01Acme' }, rule],
    ['with a rule without its beginning', { ...whole, federationRuleId: '01Acme' }, rule],
    ['with a rule with a space', { ...whole, federationRuleId: 'fdrl_01 Acme' }, rule],
    ['with a rule and a line break', { ...whole, federationRuleId: 'fdrl_01Acme\n' }, rule],
    ['with a rule of no letters', { ...whole, federationRuleId: 'fdrl_' }, rule],
    ['with a rule as long as a book', { ...whole, federationRuleId: `fdrl_${'x'.repeat(50_000)}` }, rule],
    [
      'with an organization that is none',
      { ...whole, organizationId: 'org_01Acme' },
      /must be an id \(a UUID\)/,
    ],
    ['with an account that is a rule', { ...whole, serviceAccountId: 'fdrl_01Acme' }, /begins with svac_/],
    ['with a workspace that is none', { ...whole, workspaceId: 'acme' }, /begins with wrkspc_, or default/],
    ['with an identity of nobody', { ...whole, identity: 'github' }, /must be berth or kubernetes/],
  ])('%s', (_, body, expected) => {
    const message = said('anthropic_wif', body);
    if (expected === null) expect(message).toBeNull();
    else expect(message).toMatch(expected);
  });
});

describe('kinds', () => {
  it.each<[Kind, object]>([
    ['claude_oauth', claudePair],
    ['openai_oauth', openaiPair],
    ['anthropic_api_key', { apiKey: API_KEY }],
    ['claude_setup_token', { token: SETUP }],
    ['openai_api_key', { apiKey: OPENAI }],
    ['aws_bedrock', { accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET, region: 'us-east-1' }],
    ['git_token', { host: 'github.com', token: GIT_TOKEN }],
  ])('%s takes no field it does not know, and misses none it needs', (kind, body) => {
    expect(said(kind, body)).toBeNull();
    const unknown = kinds[kind].input.safeParse({ ...body, apikey: 'x', extra: 1 });
    expect(unknown.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['apikey', 'extra'] }]);
    for (const field of Object.keys(body)) {
      const rest = Object.fromEntries(Object.entries(body).filter(([name]) => name !== field));
      expect(kinds[kind].input.safeParse(rest).error?.issues).toMatchObject([{ path: [field] }]);
      expect(kinds[kind].input.safeParse({ ...body, [field]: 7 }).error?.issues).toMatchObject([
        { path: [field] },
      ]);
    }
    for (const nothing of [null, undefined, [], 'text']) expect(said(kind, nothing)).not.toBeNull();
  });

  it('show the hint and no secret, and lease what the proxy needs', () => {
    const parsed = kinds.anthropic_api_key.input.parse({ apiKey: API_KEY });
    expect(parsed).toEqual({
      secret: { apiKey: API_KEY },
      hint: 'sk-ant-api03-…9Kf2',
      settings: { fallback: true },
      expiresAt: null,
    });
    expect(kinds.anthropic_api_key.lease(parsed.secret, parsed.settings)).toEqual({
      kind: 'anthropic_api_key',
      apiKey: API_KEY,
    });
    expect(secretText(parsed.secret).reveal()).toBe(JSON.stringify({ apiKey: API_KEY }));
    expect(String(secretText(parsed.secret))).not.toContain('Zq8rT1');
  });

  it('keep of Bedrock the id as the hint, the region in the open, and no session token where there is none', () => {
    const parsed = kinds.aws_bedrock.input.parse({
      accessKeyId: AWS_ID,
      secretAccessKey: AWS_SECRET,
      region: 'eu-west-1',
      fallback: false,
    });
    expect(parsed).toEqual({
      secret: { accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET },
      hint: 'AKIA…MPLE',
      settings: { region: 'eu-west-1', fallback: false },
      expiresAt: null,
    });
    const lent = {
      kind: 'aws_bedrock',
      accessKeyId: AWS_ID,
      secretAccessKey: AWS_SECRET,
      region: 'eu-west-1',
    };
    const { secret, settings } = parsed;
    expect(kinds.aws_bedrock.lease(secret, settings)).toEqual({ ...lent, sessionToken: null });
    const session = { ...secret, sessionToken: 'token' };
    expect(kinds.aws_bedrock.lease(session, settings)).toEqual({ ...lent, sessionToken: 'token' });
  });

  it('keep of a git token the host, sealed with it and in the open, and lease it for that host', () => {
    const parsed = kinds.git_token.input.parse({ host: ' GitHub.com:443', token: GIT_TOKEN });
    expect(parsed).toEqual({
      secret: { host: 'github.com', token: GIT_TOKEN },
      hint: 'github.com github_pat_…9Kf2',
      settings: { host: 'github.com' },
      expiresAt: null,
    });
    const { lease } = kinds.git_token;
    expect(lease(parsed.secret, parsed.settings)).toEqual({
      kind: 'git_token',
      host: 'github.com',
      username: 'x-access-token',
      token: GIT_TOKEN,
    });
  });

  it.each<[string, object, RegExp]>([
    ['a URL', { host: 'https://github.com', token: GIT_TOKEN }, /host alone/],
    ['a repository', { host: 'github.com/acme', token: GIT_TOKEN }, /host alone/],
    ['a user', { host: 'ada@github.com', token: GIT_TOKEN }, /host alone/],
    ['no host', { host: '-', token: GIT_TOKEN }, /name of a git host/],
    ['a key of a model', { host: 'github.com', token: API_KEY }, /model provider/],
    ['a token of a login', { host: 'github.com', token: SETUP }, /model provider/],
    ['a key of OpenAI', { host: 'github.com', token: OPENAI }, /model provider/],
    ['a key of Berth', { host: 'github.com', token: 'berth_abc' }, /API key of Berth/],
    ['an AWS key', { host: 'github.com', token: AWS_ID }, /AWS access key id/],
    ['a URL as the token', { host: 'github.com', token: 'https://x:y@github.com' }, /is a URL/],
    ['two lines', { host: 'github.com', token: `${GIT_TOKEN}\n` }, /space or line break/],
  ])('say of a git token with %s what is wrong, and nothing of the token', (_, body, expected) => {
    const message = said('git_token', body);
    expect(message).toMatch(expected);
    expect(message).not.toContain('Zq8rT1');
  });

  it('lend no workspace the login of the Linear app, and take none by hand', () => {
    expect(said('linear_app', { accessToken: 'x' })).toMatch(/comes with connecting Linear/);
    expect(() => kinds.linear_app.lease({ accessToken: 'x' }, {})).toThrow(/to no workspace/);
  });

  it('are all in the contract, and each stands once in the order of its agent', () => {
    expect(Object.keys(kinds).sort()).toEqual([...kindSchema.options].sort());
    for (const kind of kindSchema.options) {
      const served = (['claude', 'codex', 'git'] as const).filter((one) => kindOrder[one].includes(kind));
      const { serves } = kinds[kind];
      expect(served).toEqual(serves === null ? [] : [serves]);
    }
  });
});
