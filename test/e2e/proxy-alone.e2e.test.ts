import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { startBedrockEmulator } from '../emulators/bedrock.js';
import { AWS_ROLE, startCloudExchange } from '../emulators/cloud-exchange.js';
import { startOpenaiEmulator } from '../emulators/openai.js';
import {
  makeAgentPlace,
  runClaude,
  runCodex,
  type AgentPlace,
  type AgentRun,
} from '../emulators/run-agents.js';
import { until } from '../emulators/until.js';
import { AloneGround } from '../support/proxy-alone.js';
import { ProxyChild } from '../support/proxy-child.js';

const MAIN = path.join(process.cwd(), 'dist', 'proxy', 'main.js');
const KEY = 'sk-ant-api03-static-key-no-agent-may-see';
const OPENAI_KEY = 'sk-proj-static-key-no-agent-may-see';
const PLACEHOLDER = 'sk-ant-placeholder-that-is-worth-nothing';

let ground: AloneGround;
let place: AgentPlace;
let proxy: ProxyChild | null = null;
beforeAll(async () => {
  ground = await AloneGround.start(true);
});
beforeEach(async () => {
  place = await makeAgentPlace();
});
afterEach(async () => {
  proxy?.process.kill('SIGTERM');
  expect(await proxy?.ended()).toEqual({ code: 0, signal: null });
  for (const secret of [...ground.secrets, KEY, OPENAI_KEY]) expect(proxy?.output).not.toContain(secret);
  proxy = null;
  await Promise.all([place.remove(), ground.reset()]);
});
afterAll(() => ground.close());

/** The built proxy, as people start it; gives where each API is. */
async function start(environment: Record<string, string>): Promise<{ anthropic: string; openai: string }> {
  const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  const started = new ProxyChild(child);
  proxy = started;
  await until('open ports', () => started.output.includes('the proxy listens'));
  const line = started.output.split('\n').find((each) => each.includes('the proxy listens')) ?? '';
  const { ports } = JSON.parse(line) as { ports: { anthropic: number; openai: number } };
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  return { anthropic: at(ports.anthropic), openai: at(ports.openai) };
}
const tokenIsThere = () => until('a token', () => proxy?.output.includes('new token') ?? false);

const claude = (url: string): Promise<AgentRun> =>
  runClaude(place, { url, env: { ANTHROPIC_AUTH_TOKEN: PLACEHOLDER } }, 'create hello.txt with hello');

async function expectDone(run: AgentRun): Promise<void> {
  expect(run.lines.find(({ type }) => type === 'result')).toMatchObject({
    is_error: false,
    result: 'Created hello.txt.',
  });
  expect(await readFile(path.join(place.tree, 'hello.txt'), 'utf8')).toBe('hello\n');
}

describe('real agents through the proxy on its own', () => {
  it('Claude Code, with a static key', async () => {
    ground.anthropic.accept(KEY);
    const { anthropic } = await start({ ...ground.places, ANTHROPIC_API_KEY: KEY });
    await expectDone(await claude(anthropic));
  });

  it('Claude Code, with a workload identity whose token is revoked before its turn', async () => {
    const { anthropic } = await start(ground.environment);
    await tokenIsThere();
    ground.anthropic.logins.federation.revoke();
    await expectDone(await claude(anthropic));
    expect(ground.exchanges).toBe(2);
    const calls = ground.anthropic.requests.filter(({ path }) => path === '/v1/messages');
    expect(calls.map(({ status }) => status)).toEqual([403, 200, 200]);
  });

  it('Claude Code, with a role of AWS: answered by Bedrock', async () => {
    const bedrock = await startBedrockEmulator();
    const { url, jwksUrl, subject } = ground.github;
    const cloud = await startCloudExchange({
      issuer: { url, jwksUrl, subject },
      gave: (key) => bedrock.keys.accept(key),
    });
    try {
      const { anthropic } = await start({
        ...ground.environment,
        AWF_AUTH_PROVIDER: 'aws',
        AWF_AUTH_AWS_ROLE_ARN: AWS_ROLE,
        AWF_AUTH_AWS_REGION: bedrock.region,
        AWF_AUTH_AWS_STS_URL: cloud.url,
        BERTH_BEDROCK_URL: bedrock.url,
      });
      await tokenIsThere();
      await expectDone(await claude(anthropic));
      expect(bedrock.requests.map(({ status }) => status)).toEqual([200, 200]);
    } finally {
      await Promise.all([bedrock.close(), cloud.close()]);
    }
  });

  it('Codex, with a static key', async () => {
    const openai = await startOpenaiEmulator();
    openai.accept(OPENAI_KEY);
    try {
      const environment = { ...ground.places, OPENAI_API_KEY: OPENAI_KEY, OPENAI_API_TARGET: openai.url };
      const { openai: url } = await start(environment);
      const run = await runCodex(place, { url, key: PLACEHOLDER }, 'create hello.txt with hello');
      expect([run.exitCode, run.lines.at(-1)?.type]).toEqual([0, 'turn.completed']);
      expect(await readFile(path.join(place.tree, 'hello.txt'), 'utf8')).toBe('hello\n');
      expect(new Set(openai.requests.map(({ credential }) => credential.value))).toEqual(
        new Set([OPENAI_KEY]),
      );
    } finally {
      await openai.close();
    }
  });
});
