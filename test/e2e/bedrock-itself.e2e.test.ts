import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from '../../src/proxy/testing/proxy-under-test.js';
import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../emulators/bedrock.js';
import { makeAgentPlace, runClaude, type AgentPlace } from '../emulators/run-agents.js';
import { until } from '../emulators/until.js';
import { bridgeTo, type Bridge } from './support/bridge.js';

/** The real Claude Code as it is set up for a gateway that speaks Bedrock (providers.md 5.4): the proxy signs. */

const KEY: AwsKey = {
  accessKeyId: 'AKIABEDROCKITSELF001',
  secretAccessKey: 'secretOfBedrockItself/0123456789/0123456',
};

let bedrock: BedrockEmulator;
let proxy: ProxyUnderTest;
let bridge: Bridge;
let place: AgentPlace;

beforeAll(async () => {
  bedrock = await startBedrockEmulator();
  bedrock.keys.accept(KEY);
  proxy = await startProxy((_, response) => response.writeHead(500).end(), { bedrockUrl: bedrock.url });
  const { region } = bedrock;
  proxy.controlPlane.lease({ kind: 'aws_bedrock', ...KEY, sessionToken: null, region });
  bridge = await bridgeTo(proxy.socket);
  place = await makeAgentPlace();
});
afterAll(async () => {
  bridge.close();
  await Promise.all([proxy.close(), bedrock.close(), place.remove()]);
});

it('runs a tool through the proxy, which asks for a lease of Bedrock’s, and reads its tokens', async () => {
  const url = `${bridge.url}/bedrock`;
  const env = {
    CLAUDE_CODE_USE_BEDROCK: '1',
    CLAUDE_CODE_SKIP_BEDROCK_AUTH: '1',
    ANTHROPIC_BEDROCK_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: PLACEHOLDER,
    AWS_REGION: bedrock.region,
  };
  const model = ['--model', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'];
  const run = await runClaude(place, { url, env }, 'create hello.txt with Good day', model);
  expect([run.exitCode, run.stderr]).toEqual([0, '']);
  expect(await readFile(path.join(place.tree, 'hello.txt'), 'utf8')).toBe('Good day\n');
  const calls = bedrock.requests.filter(({ path }) => path.endsWith('/invoke-with-response-stream'));
  expect(calls.length).toBeGreaterThanOrEqual(2);
  for (const call of calls)
    expect(call).toMatchObject({ status: 200, credential: { kind: 'aws', value: KEY.accessKeyId } });
  expect(bedrock.requests.some(({ path }) => path.startsWith('/inference-profiles'))).toBe(false);
  expect(new Set(proxy.controlPlane.leaseCalls.map(({ upstream }) => upstream))).toEqual(
    new Set(['bedrock']),
  );
  await until('the usage', () => proxy.controlPlane.reports('usage').length >= calls.length);
  const [usage] = proxy.controlPlane.reports('usage');
  expect(usage?.model).toMatch(/^claude-/);
  expect(usage?.outputTokens).toBeGreaterThan(1);
  expect(JSON.stringify([run, proxy.log.lines])).not.toContain(KEY.secretAccessKey);
});
