import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { BerthError } from '../kernel/index.js';
import { isLoopback, parseConfig } from './config.js';

const KEY = `k1:${randomBytes(32).toString('base64')}`;

/** The one error of a wrong environment. */
function refusal(environment: Record<string, string>): string {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof BerthError && error.code === 'config-invalid') return error.message;
    throw error;
  }
  throw new Error('It was accepted.');
}

describe('parseConfig', () => {
  it('needs nothing: the defaults run on this machine alone', () => {
    const config = parseConfig({});
    expect(config).toMatchObject({
      role: 'all',
      http: { host: '127.0.0.1', port: 3000, publicUrl: undefined },
      database: { url: undefined },
      encryptionKeys: undefined,
      subscriptionOauth: 'on',
      pricesFile: undefined,
      runtime: { sandbox: 'required' },
      repositories: { fileRoots: null },
      upstreams: {
        anthropicUrl: 'https://api.anthropic.com',
        openaiUrl: 'https://api.openai.com',
        chatgptUrl: 'https://chatgpt.com/backend-api',
        bedrockUrl: 'https://bedrock-runtime.{region}.amazonaws.com',
        bedrockModels: {},
        githubUrl: 'https://github.com',
      },
      logins: {
        claude: {
          authorizeUrl: 'https://claude.ai/oauth/authorize',
          tokenUrl: 'https://platform.claude.com/v1/oauth/token',
          redirectUrl: 'https://platform.claude.com/oauth/code/callback',
        },
        openai: { authUrl: 'https://auth.openai.com' },
      },
    });
    expect(config.dataDirectory).toBe(path.resolve('.berth'));
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reads where Bedrock is and what models are called there', () => {
    const arn = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc';
    const { upstreams } = parseConfig({
      BERTH_BEDROCK_URL: 'https://gateway.example/bedrock/{region}/',
      BERTH_BEDROCK_MODELS: `claude-opus-5=eu.anthropic.claude-opus-5, mine=${arn},`,
    });
    expect(upstreams.bedrockUrl).toBe('https://gateway.example/bedrock/{region}');
    expect(upstreams.bedrockModels).toEqual({ 'claude-opus-5': 'eu.anthropic.claude-opus-5', mine: arn });
  });

  it('takes an empty variable for an absent one', () => {
    expect(parseConfig({ PORT: '', BERTH_ROLE: '', DATABASE_URL: '', BERTH_SETUP_TOKEN: '' })).toEqual(
      parseConfig({}),
    );
  });

  // The value of each holds a word that must not come back: it may be a secret in the wrong place.
  it.each([
    ['BERTH_ROLE', 'xyzzy'],
    ['BERTH_HOST', 'http://xyzzy'],
    ['BERTH_HOST', 'xyzzy:3000'],
    ['BERTH_HOST', 'xyzzy host'],
    ['PORT', 'xyzzy'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['PORT', '1.5'],
    ['PORT', ' '],
    ['PORT', '1e3'],
    ['BERTH_PUBLIC_URL', 'xyzzy'],
    ['BERTH_PUBLIC_URL', 'ftp://xyzzy'],
    ['BERTH_PUBLIC_URL', 'https://user:xyzzy@host'],
    ['BERTH_PUBLIC_URL', 'https://host/?xyzzy'],
    ['DATABASE_URL', 'mysql://xyzzy'],
    ['DATABASE_URL', 'postgres://user:xyzzy@[host/db'],
    ['DATABASE_APP_URL', 'xyzzy'],
    ['DATABASE_SYSTEM_URL', 'xyzzy'],
    ['DATABASE_QUEUE_URL', 'xyzzy'],
    ['REDIS_URL', 'xyzzy'],
    ['REDIS_URL', 'xyzzy:6379'],
    ['REDIS_URL', 'http://xyzzy'],
    ['REDIS_URL', 'redis://:xyzzy@'],
    ['REDIS_URL', 'redis://:xyzzy%@host'],
    ['REDIS_URL', 'redis://:xyzzy@host/queue'],
    ['REDIS_URL', 'redis://host?password=xyzzy'],
    ['BERTH_ENCRYPTION_KEYS', 'xyzzy'],
    ['BERTH_ENCRYPTION_KEYS', 'xyzzy:c2hvcnQ='],
    ['BERTH_ENCRYPTION_KEYS', `xy zzy:${KEY.slice(3)}`],
    ['BERTH_ENCRYPTION_KEYS', `${KEY},${KEY}`],
    ['BERTH_ENCRYPTION_KEYS', `${KEY},`],
    ['BERTH_ENCRYPTION_KEYS', `k1:!!!!${KEY.slice(3)}`],
    ['BERTH_SETUP_TOKEN', 'xyzzy'],
    ['BERTH_SETUP_TOKEN', 'xyzzy'.repeat(200)],
    ['BERTH_RUNTIME', 'xyzzy'],
    ['BERTH_SANDBOX', 'xyzzy'],
    ['BERTH_INTERNAL_URL', 'xyzzy'],
    ['BERTH_INTERNAL_URL', 'file:///xyzzy'],
    ['BERTH_ANTHROPIC_API_URL', 'xyzzy'],
    ['BERTH_ANTHROPIC_API_URL', 'http://xyzzy.example'],
    ['BERTH_ANTHROPIC_TOKEN_URL', 'http://xyzzy.example/v1/oauth/token'],
    ['BERTH_ISSUER_KEY_DAYS', 'xyzzy'],
    ['BERTH_OPENAI_API_URL', 'http://10.0.0.1:xyzzy'],
    ['BERTH_OPENAI_API_URL', 'https://user:xyzzy@api.openai.com'],
    ['BERTH_GITHUB_URL', 'ssh://xyzzy'],
    ['BERTH_GITHUB_API_URL', 'http://xyzzy.example'],
    ['GITHUB_APP_ID', 'xyzzy'],
    ['GITHUB_APP_SLUG', 'xyzzy/team'],
    ['GITHUB_APP_PRIVATE_KEY', 'xyzzy'],
    ['BERTH_LINEAR_API_URL', 'http://xyzzy.example'],
    ['BERTH_LINEAR_AUTH_URL', 'xyzzy'],
    ['BERTH_CLAUDE_AUTHORIZE_URL', 'http://xyzzy.example/authorize'],
    ['BERTH_CLAUDE_TOKEN_URL', 'https://host/token?xyzzy'],
    ['BERTH_CLAUDE_REDIRECT_URL', 'xyzzy'],
    ['BERTH_OPENAI_AUTH_URL', 'http://xyzzy.example'],
    ['BERTH_CHATGPT_API_URL', 'ftp://xyzzy'],
    ['BERTH_BEDROCK_URL', 'http://xyzzy.{region}.example'],
    ['BERTH_BEDROCK_URL', 'https://{xyzzy}.example'],
    ['BERTH_BEDROCK_MODELS', 'xyzzy'],
    ['BERTH_BEDROCK_MODELS', 'a=b,xyzzy='],
    ['BERTH_BEDROCK_MODELS', 'xyzzy=a b'],
    ['BERTH_SUBSCRIPTION_OAUTH', 'xyzzy'],
    ['BERTH_EGRESS_PRIVATE_HOSTS', 'xyzzy'],
    ['BERTH_EGRESS_PRIVATE_HOSTS', '10.0.0.1'],
    ['BERTH_EGRESS_PRIVATE_HOSTS', 'a.xyzzy=10.0.0'],
    ['BERTH_EGRESS_PRIVATE_HOSTS', 'a.xyzzy=10.0.0.1:99999'],
    ['BERTH_EGRESS_PRIVATE_HOSTS', 'a.xyzzy,a.xyzzy=10.0.0.1'],
    ['BERTH_RUNNER_ORPHAN_SECONDS', '0'],
    ['BERTH_TURN_TIMEOUT_SECONDS', 'xyzzy'],
    ['BERTH_SWEEP_SECONDS', '99999999'],
    ['BERTH_HOST_LOST_SECONDS', '1'],
    ['LOG_LEVEL', 'xyzzy'],
  ])('names %s when it is %j, and does not repeat it', (name, value) => {
    const message = refusal({ BERTH_ENCRYPTION_KEYS: KEY, [name]: value });
    expect(message).toContain(`${name}: `);
    expect(message).not.toContain('xyzzy');
    expect(message).not.toContain(KEY.slice(3));
    // What is said after the name is a sentence and not a word of the parser.
    expect(message.split(`${name}: `)[1]).toMatch(/must|is missing/);
  });

  it('names all wrong variables at once', () => {
    const message = refusal({ PORT: 'x', BERTH_SANDBOX: 'x', LOG_LEVEL: 'x' });
    for (const name of ['PORT', 'BERTH_SANDBOX', 'LOG_LEVEL']) expect(message).toContain(`${name}: `);
  });

  it.each([
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://localhost:8080/', 'http://localhost:8080'],
    ['http://[::1]:8080/v1//', 'http://[::1]:8080/v1'],
    ['https://gateway.example/anthropic/', 'https://gateway.example/anthropic'],
  ])('takes the upstream %s as %s', (given, taken) => {
    expect(parseConfig({ BERTH_ANTHROPIC_API_URL: given }).upstreams.anthropicUrl).toBe(taken);
  });

  it.each([
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'http://0.0.0.0',
    'http://127.0.0.2@evil.example',
    'http://evil.example#127.0.0.1',
  ])('refuses plain http to %s', (url) => {
    expect(refusal({ BERTH_ANTHROPIC_API_URL: url })).toContain('BERTH_ANTHROPIC_API_URL: ');
  });

  it('refuses a database of its own without keys, which every replica must share', () => {
    expect(refusal({ DATABASE_URL: 'postgres://user:xyzzy@host/db' })).toMatch(
      /^BERTH_ENCRYPTION_KEYS: is required with DATABASE_URL/,
    );
    expect(
      parseConfig({ DATABASE_URL: 'postgres://user:pw@host/db', BERTH_ENCRYPTION_KEYS: KEY }).database.url,
    ).toBe('postgres://user:pw@host/db');
  });

  it.each(['api', 'worker'])('wants the shared database of %s', (role) => {
    expect(refusal({ BERTH_ROLE: role })).toMatch(/^DATABASE_URL: is missing/);
  });

  it('wants to know where the runners of a worker reach the api, and of nobody else', () => {
    const shared = { DATABASE_URL: 'postgres://user:pw@host/db', BERTH_ENCRYPTION_KEYS: KEY };
    expect(refusal({ ...shared, BERTH_ROLE: 'worker' })).toMatch(/^BERTH_INTERNAL_URL: is missing/);
    expect(parseConfig({ ...shared, BERTH_ROLE: 'api' }).role).toBe('api');
    const worker = { ...shared, BERTH_ROLE: 'worker', BERTH_INTERNAL_URL: 'http://127.0.0.1:3000/' };
    expect(parseConfig(worker)).toMatchObject({ role: 'worker', internalUrl: 'http://127.0.0.1:3000' });
  });

  it('wants the prepared logins all together, and with their database', () => {
    const login = 'postgres://login:xyzzy@host/db';
    expect(refusal({ DATABASE_APP_URL: login })).toContain('DATABASE_URL: is missing');
    const two = {
      DATABASE_URL: login,
      BERTH_ENCRYPTION_KEYS: KEY,
      DATABASE_APP_URL: login,
      DATABASE_QUEUE_URL: login,
    };
    expect(refusal(two)).toContain('set all three or none');
    expect(refusal(two)).not.toContain('xyzzy');
    expect(parseConfig({ ...two, DATABASE_SYSTEM_URL: login }).database.systemUrl).toBe(login);
  });

  it('reads a ring of keys: the first seals, so the order is kept', () => {
    const older = `k0.old:${randomBytes(32).toString('base64')}`;
    const keys = parseConfig({ BERTH_ENCRYPTION_KEYS: `${KEY}, ${older}` }).encryptionKeys ?? [];
    expect(keys.map(({ id, key }) => `${id}:${key.toString('base64')}`)).toEqual([KEY, older]);
  });

  it.each<[Record<string, string>, string[] | null]>([
    [{}, null],
    [{ BERTH_HOST: '::1' }, null],
    [{ BERTH_HOST: 'localhost' }, null],
    [{ BERTH_HOST: '0.0.0.0' }, []],
    [{ BERTH_HOST: '192.168.1.5' }, []],
    [{ BERTH_HOST: '0.0.0.0', BERTH_FILE_REPOSITORIES: '/srv/git:/srv/more/' }, ['/srv/git', '/srv/more']],
    [{ BERTH_FILE_REPOSITORIES: '/srv/git' }, ['/srv/git']],
  ])('allows file:// repositories with %j below %j', (environment, roots) => {
    expect(parseConfig(environment).repositories.fileRoots).toEqual(roots);
  });

  it.each<[Record<string, string>, unknown[]]>([
    [{}, []],
    [
      { BERTH_GITHUB_URL: 'https://GHE.corp.example/' },
      [{ name: 'ghe.corp.example', address: null, port: null }],
    ],
    [{ BERTH_GITHUB_URL: 'http://127.0.0.1:1' }, []],
    [
      { BERTH_EGRESS_PRIVATE_HOSTS: 'Registry.internal, b.internal=10.0.3.7,c.internal=[fd00::7]:8443' },
      [
        { name: 'registry.internal', address: null, port: null },
        { name: 'b.internal', address: '10.0.3.7', port: null },
        { name: 'c.internal', address: 'fd00::7', port: 8443 },
      ],
    ],
    [
      { BERTH_EGRESS_PRIVATE_HOSTS: 'ghe.example=10.0.3.7', BERTH_GITHUB_URL: 'https://ghe.example' },
      [{ name: 'ghe.example', address: '10.0.3.7', port: null }],
    ],
  ])('reads from %j the private hosts %j', (environment, hosts) => {
    expect(parseConfig(environment).egress.privateHosts).toEqual(hosts);
  });

  it.each([
    ['127.0.0.1', true],
    ['localhost', true],
    ['::1', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['127.0.0.1.example', false],
    ['', false],
  ])('isLoopback(%j) is %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});

describe('the GitHub App', () => {
  const app = {
    GITHUB_APP_ID: '7',
    GITHUB_APP_SLUG: 'berth-acme',
    GITHUB_APP_CLIENT_ID: 'id',
    GITHUB_APP_CLIENT_SECRET: 'xyzzy-1',
    GITHUB_APP_PRIVATE_KEY: '-----BEGIN RSA PRIVATE KEY-----\\nxyzzy-2',
    GITHUB_WEBHOOK_SECRET: 'xyzzy-3',
  };

  it('is all of it or nothing, follows the git host, and its secrets are not printed', () => {
    expect(parseConfig({}).github).toMatchObject({ apiUrl: 'https://api.github.com', app: null });
    const own = parseConfig({ ...app, BERTH_GITHUB_URL: 'https://git.acme.example' }).github;
    expect(own).toMatchObject({ apiUrl: 'https://git.acme.example/api/v3', app: { slug: 'berth-acme' } });
    expect(JSON.stringify(own)).not.toContain('xyzzy');
    const message = refusal({ ...app, GITHUB_APP_SLUG: '' });
    expect(message).toContain('GITHUB_APP_SLUG: is missing');
    expect(message).not.toContain('xyzzy');
  });
});

describe('the Linear app', () => {
  const app = { LINEAR_CLIENT_ID: 'id', LINEAR_CLIENT_SECRET: 'xyzzy-1', LINEAR_WEBHOOK_SECRET: 'xyzzy-2' };

  it('is all of it or nothing, and its secrets are not printed', () => {
    expect(parseConfig({}).linear).toEqual({
      apiUrl: 'https://api.linear.app',
      authUrl: 'https://linear.app',
      app: null,
    });
    const { linear } = parseConfig(app);
    expect(linear.app?.webhookSecret.reveal()).toBe('xyzzy-2');
    expect(JSON.stringify(linear)).not.toContain('xyzzy');
    const message = refusal({ ...app, LINEAR_WEBHOOK_SECRET: '' });
    expect(message).toContain('LINEAR_WEBHOOK_SECRET: is missing');
    expect(message).not.toContain('xyzzy');
  });
});
