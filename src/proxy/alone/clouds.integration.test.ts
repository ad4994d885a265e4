import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../../../test/emulators/bedrock.js';
import {
  AWS_ROLE,
  AZURE_CLIENT,
  startCloudExchange,
  type CloudExchange,
} from '../../../test/emulators/cloud-exchange.js';
import { startOpenaiEmulator } from '../../../test/emulators/openai.js';
import { until } from '../../../test/emulators/until.js';
import { AloneGround, call } from '../../../test/support/proxy-alone.js';

let ground: AloneGround;
let cloud: CloudExchange;
let bedrock: BedrockEmulator;
beforeAll(async () => {
  ground = await AloneGround.start();
  const clock = ground.time.others;
  bedrock = await startBedrockEmulator({ clock });
  const { url, jwksUrl, subject } = ground.github;
  const gave = (key: AwsKey) => bedrock.keys.accept(key);
  cloud = await startCloudExchange({ clock, issuer: { url, jwksUrl, subject }, gave });
});
afterEach(async () => {
  await ground.reset();
  cloud.reset();
});
afterAll(() => Promise.all([ground.close(), cloud.close(), bedrock.close()]));

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
