import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../../../test/emulators/until.js';
import { MAIN, ProxyChild } from '../../../test/support/proxy-child.js';
import { AloneGround, call, health } from '../../../test/support/proxy-alone.js';
import { FakeControlPlane } from '../testing/fake-control-plane.js';

const KEY = 'sk-ant-api03-static-key-of-the-process-tests';
const WORKLOAD_TOKEN = 'workload-token-of-the-process-tests';

let ground: AloneGround;
const children: ProxyChild[] = [];
beforeAll(async () => {
  ground = await AloneGround.start(true);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL');
    await child.ended();
  }
  await ground.reset();
});
afterAll(() => ground.close());

function start(environment: Record<string, string>): ProxyChild {
  const child = new ProxyChild(
    spawn(process.execPath, ['--import', 'tsx', MAIN], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    }),
  );
  children.push(child);
  return child;
}

/** The ports that the process says it listens on. */
async function portsOf(child: ProxyChild): Promise<{ anthropic: number; openai: number }> {
  await until('open ports', () => child.output.includes('"msg":"the proxy listens"'));
  const line = child.output.split('\n').find((each) => each.includes('the proxy listens')) ?? '';
  return (JSON.parse(line) as { ports: { anthropic: number; openai: number } }).ports;
}

describe('the process of the proxy on its own', () => {
  it('gets a token, serves, and leaves no secret in its log; a key beside the identity is never used', async () => {
    ground.anthropic.accept(KEY);
    const child = start({ ...ground.environment, ANTHROPIC_API_KEY: KEY });
    const { anthropic } = await portsOf(child);
    await until('a token', () => child.output.includes('new token'));
    expect((await call(anthropic)).status).toBe(200);
    ground.anthropic.logins.federation.revoke();
    expect((await call(anthropic, { path: `/v1/messages?key=${KEY}` })).status).toBe(200);
    expect(ground.exchanges).toBe(2);
    expect(ground.anthropic.requests.map(({ credential }) => credential.value)).not.toContain(KEY);
    expect(child.output).toMatch(/ANTHROPIC_API_KEY.*set and never used/);
    for (const secret of [...ground.secrets, KEY]) expect(child.output).not.toContain(secret);
  });

  it('does not start without what it needs, and names all of it', async () => {
    const child = start({ AWF_AUTH_TYPE: 'github-oidc', ANTHROPIC_API_KEY: KEY });
    expect(await child.ended()).toEqual({ code: 1, signal: null });
    for (const name of [
      'AWF_AUTH_PROVIDER',
      'AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID',
      'AWF_AUTH_ANTHROPIC_ORGANIZATION_ID',
      'AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID',
      'ACTIONS_ID_TOKEN_REQUEST_URL',
      'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
    ]) {
      expect(child.output).toContain(name);
    }
    expect(child.output).not.toContain(KEY);
  });

  it('does not start on a port that is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const child = start({
      ...ground.places,
      ANTHROPIC_API_KEY: KEY,
      BERTH_PROXY_ANTHROPIC_PORT: String(port),
    });
    expect(await child.ended()).toEqual({ code: 1, signal: null });
    expect(child.output).toContain('EADDRINUSE');
    await new Promise((resolve) => taken.close(resolve));
  });

  it('lets a stream under way end at SIGTERM, and takes no new call', async () => {
    ground.anthropic.accept(KEY);
    const child = start({ ...ground.places, ANTHROPIC_API_KEY: KEY });
    const { anthropic } = await portsOf(child);
    const answer = await call(anthropic, {
      body: JSON.stringify({
        model: 'claude-sonnet-4-5',
        max_tokens: 10,
        stream: true,
        messages: [{ role: 'user', content: 'slow 2' }],
      }),
    });
    await until('the stream', () => ground.anthropic.waiting > 0);
    child.process.kill('SIGTERM');
    await until('the end begun', () => child.output.includes('the proxy ends'));
    await expect(health(anthropic)).rejects.toThrow();
    ground.anthropic.release(2);
    expect(await answer.text()).toContain('message_stop');
    expect(await child.ended()).toEqual({ code: 0, signal: null });
  });

  it('takes leases of a control plane', async () => {
    const berth = await FakeControlPlane.start();
    berth.lease({ kind: 'anthropic_api_key', apiKey: KEY });
    ground.anthropic.accept(KEY);
    try {
      const child = start({ ...ground.places, BERTH_URL: berth.url, BERTH_WORKLOAD_TOKEN: WORKLOAD_TOKEN });
      const { anthropic } = await portsOf(child);
      expect((await call(anthropic)).status).toBe(200);
      expect(berth.leaseCalls).toEqual([
        { upstream: 'anthropic', authorization: `Bearer ${WORKLOAD_TOKEN}` },
      ]);
      await until('the receipt', () => berth.reports('served').length === 1);
      expect(child.output).not.toContain(WORKLOAD_TOKEN);
    } finally {
      await berth.close();
    }
  });
});
