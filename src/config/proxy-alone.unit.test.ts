import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BerthError } from '../kernel/index.js';
import { parseProxyAlone, proxyAloneVariables } from './proxy-alone.js';

const KEY = 'sk-ant-api03-never-to-be-repeated';
const GITHUB = {
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://pipelines.example/token?api-version=2.0',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
};
const FEDERATION = {
  AWF_AUTH_TYPE: 'github-oidc',
  AWF_AUTH_PROVIDER: 'anthropic',
  AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID: 'fdrl_1',
  AWF_AUTH_ANTHROPIC_ORGANIZATION_ID: 'org',
  AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID: 'svac_1',
};

function refusal(environment: Record<string, string>): string {
  try {
    parseProxyAlone(environment);
  } catch (error) {
    if (error instanceof BerthError && error.code === 'config-invalid') return error.message;
    throw error;
  }
  throw new Error('It was accepted.');
}

describe('the environment of the proxy on its own', () => {
  it('needs a key and nothing else', () => {
    const settings = parseProxyAlone({ ANTHROPIC_API_KEY: KEY, OPENAI_API_KEY: '  ' });
    expect(settings).toMatchObject({
      host: '127.0.0.1',
      ports: { openai: 10_000, anthropic: 10_001 },
      upstreams: { anthropicUrl: 'https://api.anthropic.com', openaiUrl: 'https://api.openai.com' },
      credentials: { from: 'keys', openai: null },
      unused: [],
    });
    expect(JSON.stringify(settings)).not.toContain(KEY);
  });

  it('takes a token of GitHub for its identity, and never a key beside it', () => {
    const settings = parseProxyAlone({
      ...FEDERATION,
      ...GITHUB,
      AWF_AUTH_ANTHROPIC_WORKSPACE_ID: ' ',
      ANTHROPIC_API_KEY: KEY,
      OPENAI_API_KEY: KEY,
    });
    expect(settings.credentials).toMatchObject({
      from: 'identity',
      provider: 'anthropic',
      assertion: { from: 'github', audience: 'https://api.anthropic.com' },
      tokenUrl: 'https://api.anthropic.com/v1/oauth/token',
      target: { ruleId: 'fdrl_1', organizationId: 'org', serviceAccountId: 'svac_1', workspaceId: null },
    });
    expect(settings.unused).toEqual(['ANTHROPIC_API_KEY', 'OPENAI_API_KEY']);
    expect(JSON.stringify(settings)).not.toContain(KEY);
    expect(JSON.stringify(settings)).not.toContain(GITHUB.ACTIONS_ID_TOKEN_REQUEST_TOKEN);
  });

  it('takes a file instead of GitHub', () => {
    const { credentials } = parseProxyAlone({ ...FEDERATION, ANTHROPIC_IDENTITY_TOKEN_FILE: '/run/token' });
    expect(credentials).toMatchObject({ assertion: { from: 'file', path: '/run/token' } });
  });

  it('gets what AWS, Azure and Google give for an identity, each with its own audience', () => {
    const github = { AWF_AUTH_TYPE: 'github-oidc', ...GITHUB };
    const aws = {
      AWF_AUTH_PROVIDER: 'aws',
      AWF_AUTH_AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/agents',
      AWF_AUTH_AWS_REGION: 'cn-north-1',
    };
    expect(parseProxyAlone({ ...github, ...aws }).credentials).toMatchObject({
      provider: 'aws',
      stsUrl: 'https://sts.cn-north-1.amazonaws.com.cn',
      roleSessionName: 'awf-oidc-session',
      assertion: { audience: 'sts.amazonaws.com' },
    });
    const azure = {
      AWF_AUTH_PROVIDER: 'azure',
      AWF_AUTH_AZURE_TENANT_ID: 'acme.example',
      AWF_AUTH_AZURE_CLIENT_ID: 'client',
      AWF_AUTH_AZURE_CLOUD: 'usgovernment',
      OPENAI_API_TARGET: 'acme.openai.azure.com',
    };
    expect(parseProxyAlone({ ...github, ...azure }).credentials).toMatchObject({
      provider: 'azure',
      tokenUrl: 'https://login.microsoftonline.us/acme.example/oauth2/v2.0/token',
      scope: 'https://cognitiveservices.azure.com/.default',
      assertion: { audience: 'api://AzureADTokenExchange' },
    });
    const said = refusal({ ...github, AWF_AUTH_PROVIDER: 'azure' });
    for (const name of ['AWF_AUTH_AZURE_TENANT_ID', 'AWF_AUTH_AZURE_CLIENT_ID', 'OPENAI_API_TARGET']) {
      expect(said).toContain(`${name}: is missing`);
    }
    const gcp = {
      AWF_AUTH_PROVIDER: 'gcp',
      AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER:
        'projects/1/locations/global/workloadIdentityPools/pool/providers/github',
      ANTHROPIC_VERTEX_PROJECT_ID: 'acme',
      CLOUD_ML_REGION: 'europe-west1',
    };
    expect(parseProxyAlone({ ...github, ...gcp })).toMatchObject({
      upstreams: { anthropicUrl: 'https://europe-west1-aiplatform.googleapis.com/v1' },
      credentials: {
        provider: 'gcp',
        stsUrl: 'https://sts.googleapis.com',
        serviceAccount: null,
        assertion: { audience: gcp.AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER },
      },
    });
    const unnamed = refusal({ ...github, AWF_AUTH_PROVIDER: 'gcp' });
    for (const name of Object.keys(gcp).slice(1)) expect(unnamed).toContain(`${name}: is missing`);
  });

  it('takes leases of a control plane', () => {
    const url = 'https://berth.example';
    expect(parseProxyAlone({ BERTH_URL: url, BERTH_WORKLOAD_TOKEN_FILE: '/run/berth' })).toMatchObject({
      credentials: { from: 'berth', url, token: { file: '/run/berth' } },
    });
    expect(
      parseProxyAlone({ BERTH_URL: url, BERTH_WORKLOAD_TOKEN: 'x', ANTHROPIC_API_KEY: KEY }).unused,
    ).toEqual(['ANTHROPIC_API_KEY']);
  });

  it.each([
    ['api.example.com', 'https://api.example.com'],
    ['https://api.example.com/base/', 'https://api.example.com/base'],
    ['http://127.0.0.1:9', 'http://127.0.0.1:9'],
  ])('reads the target %s', (text, url) => {
    const { upstreams } = parseProxyAlone({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_API_TARGET: text });
    expect(upstreams.anthropicUrl).toBe(url);
  });

  it('names all that is missing', () => {
    const said = refusal({ AWF_AUTH_TYPE: 'github-oidc', ANTHROPIC_API_KEY: KEY });
    for (const name of [...Object.keys(FEDERATION).slice(1), ...Object.keys(GITHUB)]) {
      expect(said).toContain(`${name}: is missing`);
    }
    expect(refusal({})).toMatch(/ANTHROPIC_API_KEY, OPENAI_API_KEY/);
    expect(refusal({ BERTH_URL: 'https://berth.example' })).toMatch(
      /BERTH_WORKLOAD_TOKEN_FILE.*Unset BERTH_URL/,
    );
  });

  it.each<[string, Record<string, string>]>([
    ['AWF_AUTH_TYPE', { ...FEDERATION, ...GITHUB, AWF_AUTH_TYPE: KEY }],
    ['AWF_AUTH_PROVIDER', { ...FEDERATION, ...GITHUB, AWF_AUTH_PROVIDER: KEY }],
    ['BERTH_URL, AWF_AUTH_TYPE', { ...FEDERATION, ...GITHUB, BERTH_URL: 'https://berth.example' }],
    ['ANTHROPIC_API_TARGET', { ANTHROPIC_API_KEY: KEY, ANTHROPIC_API_TARGET: `http://${KEY}` }],
    ['OPENAI_API_TARGET', { OPENAI_API_KEY: KEY, OPENAI_API_TARGET: `https://user:${KEY}@example.com` }],
    [
      'ACTIONS_ID_TOKEN_REQUEST_URL',
      { ...FEDERATION, ...GITHUB, ACTIONS_ID_TOKEN_REQUEST_URL: `http://example.com/?x=${KEY}` },
    ],
    ['ANTHROPIC_API_KEY', { ANTHROPIC_API_KEY: `${KEY}\n${KEY}` }],
    ['BERTH_PROXY_ANTHROPIC_PORT', { ANTHROPIC_API_KEY: KEY, BERTH_PROXY_ANTHROPIC_PORT: KEY }],
    ['BERTH_PROXY_HOST', { ANTHROPIC_API_KEY: KEY, BERTH_PROXY_HOST: `http://${KEY}` }],
  ])('refuses a wrong %s by name, and repeats no value', (name, environment) => {
    const said = refusal(environment);
    expect(said).toContain(`${name}: `);
    expect(said).not.toContain(KEY);
  });
});

it('stands in docs/proxy-alone.md, each variable in the table', async () => {
  const page = await readFile(path.join(process.cwd(), 'docs', 'proxy-alone.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) => (row.split('|')[1] ?? '').match(/[A-Z][A-Z_]+/g) ?? []);
  expect(named.sort()).toEqual([...proxyAloneVariables].sort());
});
