import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { until } from '../../test/emulators/until.js';
import type { ProxyCommand } from '../contracts/proxy.js';
import { FakeControlPlane } from './testing/fake-control-plane.js';
import { begin, send, serve, type TestServer } from './testing/http.js';
import { ProxyChild } from '../../test/support/proxy-child.js';
import { PLACEHOLDER, PROXY_TOKEN, WORKSPACE_ID } from './testing/proxy-under-test.js';

const KEY = 'sk-ant-api03-canary-of-the-process-tests';
describe('the proxy process', () => {
  let directory: string;
  let controlPlane: FakeControlPlane;
  let upstream: TestServer;
  let child: ProxyChild;
  /** How many requests the upstream refuses. */
  let refusals: number;
  let open: ProxyCommand & { type: 'open' };
  const models = { method: 'GET', path: '/anthropic/v1/models', headers: { 'x-api-key': PLACEHOLDER } };

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'berth-proxy-main-'));
    controlPlane = await FakeControlPlane.start();
    controlPlane.lease({ kind: 'anthropic_api_key', apiKey: KEY });
    refusals = 0;
    upstream = await serve((request, response) => {
      if (refusals-- > 0) response.writeHead(401).end();
      else if (request.url?.startsWith('/v1/models')) response.end('models');
      else
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('event: ping\ndata: {}\n\n');
    });
    open = {
      type: 'open',
      requestId: '',
      workspaceId: WORKSPACE_ID,
      socketPath: path.join(directory, 's'),
      placeholder: PLACEHOLDER,
      proxyToken: PROXY_TOKEN,
      git: null,
    };
    child = ProxyChild.start();
    await child.configure(controlPlane.url, upstream.url);
  });

  afterEach(async () => {
    child.process.kill('SIGKILL');
    await child.ended();
    await Promise.all([controlPlane.close(), upstream.close()]);
    await rm(directory, { recursive: true, force: true });
  });

  it('opens and closes workspaces, and says what failed', async () => {
    expect(await child.ask(open)).toMatchObject({ type: 'done' });
    expect(await send(open.socketPath, models)).toMatchObject({ status: 200, body: 'models' });
    expect(await child.ask({ ...open, socketPath: `/${'x'.repeat(120)}` })).toMatchObject({
      type: 'failed',
      message: expect.stringMatching(/shorter data directory/) as string,
    });
    expect(await child.ask({ type: 'close', workspaceId: WORKSPACE_ID })).toMatchObject({ type: 'done' });
    expect(
      await child.ask({ ...open, git: { path: 'x', upstreamUrl: 'file:///etc', pushRefs: [] } }),
    ).toMatchObject({
      type: 'failed',
      message: expect.stringMatching(/http and https/) as string,
    });
    const unreadable = await child.ask({ ...open, proxyToken: { secret: KEY } });
    expect(unreadable).toMatchObject({
      type: 'failed',
      message: expect.stringMatching(/proxyToken/) as string,
    });
    expect(JSON.stringify(unreadable)).not.toContain(KEY);
  });

  it('ends at once when its parent goes, in the middle of a stream', async () => {
    await child.ask(open);
    const { response } = await begin(open.socketPath, {
      ...models,
      method: 'POST',
      path: '/anthropic/v1/messages',
    });
    response.on('error', () => undefined).resume();
    child.process.disconnect();
    expect(await child.ended()).toEqual({ code: 0, signal: null });
    await until('the client’s end', () => response.destroyed);
    expect(response.complete).toBe(false);
  });

  it('tells its parent of calls, and of those that were held; forgets what the parent says', async () => {
    const secret = { kind: 'claude_oauth', token: KEY } as const;
    controlPlane.succession([secret, secret]);
    refusals = 1;
    await child.ask(open);
    expect(await send(open.socketPath, models)).toMatchObject({ status: 200 });
    await until('what was measured', () => child.messages.some(({ type }) => type === 'held'));
    const told = child.messages.filter(({ type }) => type === 'measured' || type === 'held');
    expect(told).toMatchObject([
      { type: 'measured', statusClass: '4xx' },
      { type: 'measured', statusClass: '2xx' },
      { type: 'held', upstream: 'anthropic', outcome: 'answered', resends: 1 },
    ]);
    await send(open.socketPath, models);
    expect(controlPlane.leaseCalls).toHaveLength(2);
    child.process.send({ type: 'forget', credentialId: '0198c0de-0000-7000-8000-000000000001' });
    await child.ask({ type: 'close', workspaceId: randomUUID() });
    await send(open.socketPath, models);
    expect(controlPlane.leaseCalls).toHaveLength(3);
  });

  it('opens the same socket again after it was killed', async () => {
    await child.ask(open);
    await send(open.socketPath, models);
    child.process.kill('SIGKILL');
    await child.ended();
    expect((await stat(open.socketPath)).isSocket()).toBe(true);
    child = ProxyChild.start();
    await child.configure(controlPlane.url, upstream.url);
    await child.ask(open);
    expect(await send(open.socketPath, models)).toMatchObject({ status: 200, body: 'models' });
  });

  it('delivers its last reports and removes its sockets at SIGTERM, and stays at SIGINT', async () => {
    await child.ask(open);
    child.process.kill('SIGINT');
    const { response } = await begin(open.socketPath, {
      ...models,
      method: 'POST',
      path: '/anthropic/v1/messages',
    });
    response.on('error', () => undefined).resume();
    child.process.kill('SIGTERM');
    expect(await child.ended()).toEqual({ code: 0, signal: null });
    expect([...controlPlane.accepted.values()].map(({ type }) => type)).toEqual(['served', 'usage']);
    await expect(stat(open.socketPath)).rejects.toThrow(/ENOENT/);
  });

  it('logs JSON lines without a secret in them', async () => {
    await child.ask(open);
    await send(open.socketPath, { ...models, path: `${models.path}?key=${KEY}` });
    await send(open.socketPath, { ...models, path: '/nothing', headers: { 'x-secret': KEY } });
    await upstream.close();
    await send(open.socketPath, models);
    await until('the log', () => child.output.split('"msg":"request"').length === 4);
    const lines = child.output.trim().split('\n');
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ name: 'proxy' });
    for (const secret of [KEY, PLACEHOLDER, PROXY_TOKEN]) expect(child.output).not.toContain(secret);
  });
});
