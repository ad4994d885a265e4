import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { until } from '../../test/emulators/until.js';
import { begin, send, sendRaw, textOf } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const LIMITS = {
  maxBodyBytes: 100_000,
  maxWorkspaceBodyBytes: 150_000,
  headTimeoutSeconds: 0.2,
  bodyTimeoutSeconds: 0.2,
  maxHeaderBytes: 8192,
};

describe('hostile requests', () => {
  let proxy: ProxyUnderTest;
  let seen: { url: string | undefined; body: string }[];

  beforeEach(async () => {
    seen = [];
    proxy = await startProxy(
      (request, response) => {
        void textOf(request).then((body) => {
          seen.push({ url: request.url, body });
          response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        });
      },
      { limits: LIMITS },
    );
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: 'sk-ant-api03-key-of-the-hostile-tests' });
  });

  afterEach(() => proxy.close());

  const headers = { 'x-api-key': PLACEHOLDER };
  const raw = (lines: string[], body = ''): Promise<string> =>
    sendRaw(
      proxy.socket,
      [...lines, `x-api-key: ${PLACEHOLDER}`, 'connection: close', '', body].join('\r\n'),
    );
  const post = 'POST /anthropic/v1/messages HTTP/1.1';

  it.each([
    '/anthropic/../openai/v1/responses',
    '/anthropic/v1/./messages',
    '/anthropic/%2e%2e/v1/messages',
    '/anthropic%2fv1/messages',
    '/anthropic/v1%5cmessages',
    '/anthropic/v1/%252e%252e/messages',
    '/anthropic//v1/messages',
    '//example.com/anthropic/v1/messages',
    '/anthropic\\v1\\messages',
    '/anthropic/v1/messages%00',
    '/anthropic/v1/messages#fragment',
    '*',
  ])('refuses the target %s', async (target) => {
    const answer = await raw([`POST ${target} HTTP/1.1`, 'host: x', 'content-length: 0']);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toHaveLength(0);
  });

  it.each([
    ['POST', '/anthropic/v1/complete'],
    ['POST', '/anthropic/v1/messages/batches'],
    ['POST', '/anthropic/v1/messages/'],
    ['POST', '/anthropic/v1/Messages'],
    ['GET', '/anthropic/v1/messages'],
    ['DELETE', '/anthropic/v1/models'],
    ['POST', '/anthropic/v1/oauth/token'],
    ['POST', '/anthropic'],
    ['GET', '/openai/v1/files'],
    ['POST', '/openai/v1/responses/abc/cancel'],
  ])('answers 404 to %s %s in the provider’s own shape', async (method, target) => {
    const answer = await send(proxy.socket, { method, path: target, headers });
    expect(answer.status).toBe(404);
    const { error } = JSON.parse(answer.body) as { error: { type: string; message: string } };
    expect(error.message).toMatch(/not allowed through Berth's proxy/);
    expect(error.type).toBe(target.startsWith('/openai') ? 'invalid_request_error' : 'not_found_error');
    expect(seen).toHaveLength(0);
  });

  it.each(['/', '/metrics', '/anthropicx/v1/messages', '/internal/v1/proxy/lease'])(
    'has nothing at %s',
    async (target) => {
      expect(await send(proxy.socket, { path: target, headers })).toMatchObject({ status: 404 });
    },
  );

  it.each(['/', '/anthropic', '/anthropic/api/hello', '/api/hello', '/openai/v1/models'])(
    'answers HEAD %s itself',
    async (target) => {
      const answer = await send(proxy.socket, { method: 'HEAD', path: target });
      expect(answer).toMatchObject({ status: 200, body: '' });
      expect(proxy.controlPlane.leaseCalls).toHaveLength(0);
    },
  );

  it.each([
    ['two lengths', [post, 'host: x', 'content-length: 2', 'content-length: 3'], '{}x'],
    ['length and chunks', [post, 'host: x', 'content-length: 2', 'transfer-encoding: chunked'], '0\r\n\r\n'],
    ['another coding', [post, 'host: x', 'transfer-encoding: gzip, chunked'], '0\r\n\r\n'],
    ['coding not last', [post, 'host: x', 'transfer-encoding: chunked, gzip'], '0\r\n\r\n'],
    ['obscure coding', [post, 'host: x', 'transfer-encoding: xchunked'], '0\r\n\r\n'],
    ['signed length', [post, 'host: x', 'content-length: +2'], '{}'],
    ['space before the colon', [post, 'host: x', 'content-length : 2'], '{}'],
    ['folded header', [post, 'host: x', 'x-a: b', ' content-length: 2'], ''],
    ['no host', [post, 'content-length: 0'], ''],
    ['bad chunk size', [post, 'host: x', 'transfer-encoding: chunked'], '0x2\r\n{}\r\n0\r\n\r\n'],
  ])('does not forward a request with %s', async (_name, lines, body) => {
    const answer = await raw(lines, body);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|408) |^$/);
    expect(answer).not.toMatch(/HTTP\/1\.1 200/);
    expect(seen).toHaveLength(0);
  });

  it('sends one request upstream for one request, whatever its body looks like', async () => {
    const body = 'GET /anthropic/v1/models HTTP/1.1\r\nhost: x\r\n\r\n';
    expect(await raw([post, 'host: x', `content-length: ${body.length}`], body)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen).toEqual([{ url: '/v1/messages', body }]);
  });

  it('refuses WebSocket', async () => {
    const answer = await send(proxy.socket, {
      method: 'GET',
      path: '/openai/v1/responses',
      headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    });
    expect(answer.status).toBe(426);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect(seen).toHaveLength(0);
  });

  it('refuses too large a head', async () => {
    expect(await raw([post, 'host: x', `x-bomb: ${'a'.repeat(20_000)}`])).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each([
    ['announced', { 'content-length': '100001' }],
    ['chunked', {}],
  ])('answers 413 to too large a body (%s)', async (_name, more) => {
    const { request, response } = await new Promise<Awaited<ReturnType<typeof begin>>>((resolve, reject) => {
      const sent = http.request(
        {
          socketPath: proxy.socket,
          method: 'POST',
          path: '/anthropic/v1/messages',
          headers: { ...headers, ...more },
        },
        (answer) => resolve({ request: sent, response: answer }),
      );
      sent.on('error', reject);
      sent.write(Buffer.alloc(100_001));
    });
    expect(response.statusCode).toBe(413);
    expect(JSON.parse(await textOf(response))).toMatchObject({ error: { type: 'request_too_large' } });
    request.destroy();
    expect(seen).toHaveLength(0);
  });

  it('bounds what one workspace holds in memory, and gives it back', async () => {
    const body = Buffer.alloc(90_000, 'x');
    let open: () => void = () => undefined;
    proxy.controlPlane.leaseGate = new Promise((resolve) => (open = resolve));
    const first = send(proxy.socket, { path: '/anthropic/v1/messages', headers, body });
    await until('the lease call', () => proxy.controlPlane.leaseCalls.length === 1);
    // Both bodies are read while they wait for the lease; the second does not fit beside the first.
    expect(await send(proxy.socket, { path: '/anthropic/v1/messages', headers, body })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
    });
    open();
    expect(await first).toMatchObject({ status: 200 });
    expect(await send(proxy.socket, { path: '/anthropic/v1/messages', headers, body })).toMatchObject({
      status: 200,
    });
  });

  it('does not wait for a head or a body for ever', async () => {
    expect(await sendRaw(proxy.socket, 'POST /anthropic/v1/messages HTTP/1.1\r\nhost:')).toMatch(
      /^HTTP\/1\.1 408 /,
    );
    const answer = await begin(proxy.socket, {
      path: '/anthropic/v1/messages',
      headers: { ...headers, 'content-length': '10' },
      body: 'short',
    }).then(({ request, response }) => {
      request.destroy();
      return response.statusCode;
    });
    expect(answer).toBe(400);
    expect(seen).toHaveLength(0);
  });

  it('survives clients that leave at any moment', async () => {
    for (const bytes of [
      '',
      'PO',
      `${post}\r\n`,
      `${post}\r\nhost: x\r\nx-api-key: ${PLACEHOLDER}\r\ncontent-length: 9\r\n\r\nabc`,
    ]) {
      const socket = net.connect(proxy.socket);
      await new Promise((resolve) => socket.write(bytes, resolve));
      socket.destroy();
    }
    expect(await send(proxy.socket, { path: '/anthropic/v1/messages', headers })).toMatchObject({
      status: 200,
    });
  });

  it('breaks off instead of writing into an answer under way', async () => {
    const pipelined = `${post}\r\nhost: x\r\nx-api-key: ${PLACEHOLDER}\r\ncontent-length: 2\r\n\r\n{}GARBAGE\r\n\r\n`;
    const answer = await sendRaw(proxy.socket, pipelined);
    expect(answer).not.toMatch(/HTTP\/1\.1 400/);
  });
});

describe('the socket of a workspace', () => {
  let proxy: ProxyUnderTest;

  beforeEach(async () => {
    proxy = await startProxy((_request, response) => void response.end('{}'));
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: 'sk-ant-api03-key' });
  });

  afterEach(() => proxy.close());

  const models = { method: 'GET', path: '/anthropic/v1/models', headers: { 'x-api-key': PLACEHOLDER } };

  it('is its owner’s alone, and goes away when closed', async () => {
    expect((await stat(proxy.socket)).mode & 0o777).toBe(0o600);
    await proxy.workspaces.close(proxy.command.workspaceId);
    await expect(stat(proxy.socket)).rejects.toThrow(/ENOENT/);
    await proxy.workspaces.close(proxy.command.workspaceId);
  });

  it('takes the place of a dead socket, and of nothing else', async () => {
    await proxy.workspaces.close(proxy.command.workspaceId);
    const file = path.join(proxy.directory, 'file');
    await writeFile(file, 'precious');
    await symlink(file, path.join(proxy.directory, 'link'));
    await mkdir(path.join(proxy.directory, 'folder'));
    for (const name of ['file', 'link', 'folder']) {
      const open = proxy.workspaces.open({ ...proxy.command, socketPath: path.join(proxy.directory, name) });
      await expect(open).rejects.toThrow(/in place of the socket/);
    }
    expect((await stat(file)).size).toBe(8);
  });

  it('says clearly that a path is too long', async () => {
    const open = proxy.workspaces.open({
      ...proxy.command,
      socketPath: path.join(proxy.directory, 'x'.repeat(100)),
    });
    await expect(open).rejects.toThrow(/may have 100\. Use a shorter data directory/);
  });

  it('reports a folder it may not write to, and can be opened elsewhere after', async () => {
    const open = proxy.workspaces.open({
      ...proxy.command,
      socketPath: path.join(proxy.directory, 'none', 's'),
    });
    await expect(open).rejects.toThrow(/ENOENT|EACCES/);
    await chmod(proxy.directory, 0o700);
    await proxy.workspaces.open(proxy.command);
    expect(await send(proxy.socket, models)).toMatchObject({ status: 200 });
  });

  it('keeps streams when opened again with another token, and asks for leases with it', async () => {
    await send(proxy.socket, models);
    await Promise.all([
      proxy.workspaces.open({ ...proxy.command, proxyToken: 'second-token' }),
      proxy.workspaces.open({ ...proxy.command, proxyToken: 'third-token' }),
    ]);
    await send(proxy.socket, models);
    expect(proxy.controlPlane.leaseCalls.map(({ authorization }) => authorization?.slice(7, 13))).toEqual([
      'berth-',
      'third-',
    ]);
  });

  it('refuses the former placeholder when opened with another', async () => {
    await proxy.workspaces.open({ ...proxy.command, placeholder: 'another-placeholder' });
    expect(await send(proxy.socket, models)).toMatchObject({ status: 401 });
    expect(
      await send(proxy.socket, { ...models, headers: { 'x-api-key': 'another-placeholder' } }),
    ).toMatchObject({ status: 200 });
  });
});
