import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../../../test/emulators/bedrock.js';
import {
  AWS_ROLE,
  AZURE_CLIENT,
  GOOGLE_ACCOUNT,
  GOOGLE_PROVIDER,
  startCloudExchange,
  type CloudExchange,
} from '../../../test/emulators/cloud-exchange.js';
import type { Emulator } from '../../../test/emulators/emulator.js';
import { startOpenaiEmulator } from '../../../test/emulators/openai.js';
import { until } from '../../../test/emulators/until.js';
import { startVertexEmulator } from '../../../test/emulators/vertex.js';
import { AloneGround, call } from '../../../test/support/proxy-alone.js';

let ground: AloneGround;
let cloud: CloudExchange;
let bedrock: BedrockEmulator;
let vertex: Emulator;
beforeAll(async () => {
  ground = await AloneGround.start();
  const clock = ground.time.others;
  bedrock = await startBedrockEmulator({ clock });
  vertex = await startVertexEmulator({ clock });
  const { url, jwksUrl, subject } = ground.github;
  const gaveGoogle = (token: string) => vertex.accept(token);
  const gave = (key: AwsKey) => bedrock.keys.accept(key);
  cloud = await startCloudExchange({ clock, issuer: { url, jwksUrl, subject }, gave, gaveGoogle });
});
afterEach(async () => {
  await ground.reset();
  cloud.reset();
  vertex.reset();
});
afterAll(() => Promise.all([ground.close(), cloud.close(), bedrock.close(), vertex.close()]));

const github = () => ({
  AWF_AUTH_TYPE: 'github-oidc',
  ACTIONS_ID_TOKEN_REQUEST_URL: ground.github.requestUrl,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: ground.github.requestToken,
  ...ground.places,
});
const logged = (text: string) => until(text, () => ground.log.lines.some((line) => line.includes(text)));

/** Neither in the log nor anywhere in an answer. */
async function expectHidden(secrets: string[], answers: Response[]): Promise<void> {
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  expect(secrets.length).toBeGreaterThan(1);
  for (const secret of [...secrets, ...ground.github.minted]) {
    expect(ground.log.lines.join('\n')).not.toContain(secret);
    expect(bodies.join('\n')).not.toContain(secret);
  }
}

describe('the proxy on its own with a role of AWS', () => {
  const environment = () => ({
    ...github(),
    AWF_AUTH_PROVIDER: 'aws',
    AWF_AUTH_AWS_ROLE_ARN: AWS_ROLE,
    AWF_AUTH_AWS_REGION: 'us-east-1',
    AWF_AUTH_AWS_STS_URL: cloud.url,
    BERTH_BEDROCK_URL: bedrock.url,
  });

  it('signs calls to Bedrock with a key for a while, gets the next one in time and when it is refused', async () => {
    const { ports } = await ground.listen(environment());
    await logged('new token');
    const answers = [await call(ports.anthropic)];
    expect(answers[0]?.status).toBe(200);
    // Nothing that vouches for anybody stands in an address.
    expect(cloud.requests.map(({ query }) => query)).toEqual(['']);
    expect(ground.github.requests[0]?.query).toContain('audience=sts.amazonaws.com');
    await ground.time.pass(3_300_000);
    expect(cloud.awsKeys).toHaveLength(2);
    bedrock.keys.expire(cloud.awsKeys.at(-1)?.accessKeyId ?? '');
    answers.push(await call(ports.anthropic));
    expect(answers[1]?.status).toBe(200);
    expect(cloud.awsKeys).toHaveLength(3);
    await expectHidden(
      cloud.awsKeys.flatMap(({ secretAccessKey, sessionToken = '' }) => [secretAccessKey, sessionToken]),
      answers,
    );
  });

  it('says 401 when the role may not be assumed', async () => {
    const { ports } = await ground.listen({
      ...environment(),
      AWF_AUTH_AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/other',
    });
    await logged('no new token');
    const answer = await call(ports.anthropic);
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining('(AccessDenied)')]);
  });
});

describe('the proxy on its own with a client of Azure', () => {
  it('sends a token of Azure to its OpenAI service', async () => {
    const openai = await startOpenaiEmulator({ clock: ground.time.others });
    try {
      const { ports } = await ground.listen({
        ...github(),
        AWF_AUTH_PROVIDER: 'azure',
        AWF_AUTH_AZURE_TENANT_ID: 'acme.example',
        AWF_AUTH_AZURE_CLIENT_ID: AZURE_CLIENT,
        AWF_AUTH_AZURE_TOKEN_URL: cloud.azureUrl,
        OPENAI_API_TARGET: openai.url,
      });
      await logged('new token');
      const [token = ''] = cloud.azureTokens;
      openai.accept(token);
      const answer = await call(ports.openai, {
        path: '/v1/responses',
        body: JSON.stringify({ model: 'gpt-5.2-codex', input: 'hello' }),
      });
      expect(answer.status).toBe(200);
      expect(openai.requests.map(({ credential }) => credential)).toEqual([{ kind: 'bearer', value: token }]);
      await expectHidden([token, AZURE_CLIENT], [answer]);
      // It goes to no other API.
      expect((await call(ports.anthropic)).status).toBe(404);
    } finally {
      await openai.close();
    }
  });

  it('names Azure’s own code when it is denied, and nothing of what was sent', async () => {
    await ground.listen({
      ...github(),
      AWF_AUTH_PROVIDER: 'azure',
      AWF_AUTH_AZURE_TENANT_ID: 'acme.example',
      AWF_AUTH_AZURE_CLIENT_ID: 'another',
      AWF_AUTH_AZURE_TOKEN_URL: cloud.azureUrl,
      OPENAI_API_TARGET: cloud.url,
    });
    await logged('AADSTS700213');
    await expectHidden(['No matching', 'federated identity record'], []);
  });
});

describe('the proxy on its own with an identity at Google', () => {
  const environment = () => ({
    ...github(),
    AWF_AUTH_PROVIDER: 'gcp',
    AWF_AUTH_GCP_WORKLOAD_IDENTITY_PROVIDER: GOOGLE_PROVIDER,
    AWF_AUTH_GCP_STS_URL: cloud.url,
    AWF_AUTH_GCP_IAM_URL: cloud.url,
    ANTHROPIC_VERTEX_PROJECT_ID: 'acme',
    CLOUD_ML_REGION: 'europe-west1',
    ANTHROPIC_API_TARGET: `${vertex.url}/v1`,
  });
  const ask = (port: number, more: object = {}) =>
    call(port, {
      body: JSON.stringify({
        model: 'claude-sonnet-4-5-20250929',
        max_tokens: 10,
        messages: [{ role: 'user', content: 'hello' }],
        ...more,
      }),
    });

  it('serves Anthropic’s models from Vertex, whole and as a stream, and renews a refused token', async () => {
    const { ports } = await ground.listen(environment());
    await logged('new token');
    const answers = [await ask(ports.anthropic), await ask(ports.anthropic, { stream: true })];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(vertex.requests.map(({ path }) => path.split('/').at(-1))).toEqual([
      'claude-sonnet-4-5@20250929:rawPredict',
      'claude-sonnet-4-5@20250929:streamRawPredict',
    ]);
    expect(vertex.requests[0]?.headers['anthropic-beta']).toBe('one-2025-01-01');
    vertex.revoke(cloud.googleTokens.at(-1) ?? '');
    const healed = await ask(ports.anthropic);
    expect([healed.status, cloud.googleTokens.length]).toEqual([200, 2]);
    expect((await call(ports.anthropic, { body: '[]' })).status).toBe(400);
    await expectHidden([...cloud.googleTokens], [...answers, healed]);
  });

  it('lets no client say whose project pays, or that its POST is something else', async () => {
    const { ports } = await ground.listen(environment());
    await logged('new token');
    const body = JSON.stringify({
      model: 'claude-sonnet-4-5',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'hello' }],
    });
    const orders = { 'x-goog-user-project': 'another', 'x-http-method-override': 'GET' };
    expect((await call(ports.anthropic, { body, headers: { ...orders, 'x-mine': 'kept' } })).status).toBe(
      200,
    );
    const { headers = {} } = vertex.requests.at(-1) ?? {};
    for (const name of Object.keys(orders)) expect(headers).not.toHaveProperty(name);
    expect(headers).toHaveProperty('x-mine', 'kept');
  });

  it('speaks for a service account, and says who denies that', async () => {
    const account = { AWF_AUTH_GCP_SERVICE_ACCOUNT: GOOGLE_ACCOUNT };
    const { ports } = await ground.listen({ ...environment(), ...account });
    await logged('new token');
    expect((await ask(ports.anthropic)).status).toBe(200);
    expect(vertex.requests.at(-1)?.credential.value).toBe(cloud.googleTokens.at(-1));
    const other = { AWF_AUTH_GCP_SERVICE_ACCOUNT: 'other@acme.iam.gserviceaccount.com' };
    const denied = await ground.listen({ ...environment(), ...other });
    await logged('PERMISSION_DENIED');
    expect((await ask(denied.ports.anthropic)).status).toBe(401);
  });
});
