import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import { createGzip, gunzipSync } from 'node:zlib';
import { startAnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startOpenaiEmulator } from '../../test/emulators/openai.js';
import { until } from '../../test/emulators/until.js';
import { begin, send, textOf } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const SECRET = { kind: 'anthropic_api_key', apiKey: 'sk-ant-api03-key-of-the-streaming-tests' } as const;
const EVENT_STREAM = { 'content-type': 'text/event-stream' };
const START =
  'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-m","usage":{"input_tokens":11,"cache_read_input_tokens":7,"cache_creation_input_tokens":2,"output_tokens":1}}}\n\n';
const PING = 'event: ping\ndata: {"type":"ping"}\n\n';
const DELTA = 'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n';
const STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';

describe('streams through the proxy', () => {
  let proxy: ProxyUnderTest;
  let upstreamCalls: { request: http.IncomingMessage; response: http.ServerResponse }[];

  beforeEach(async () => {
    upstreamCalls = [];
    proxy = await startProxy((request, response) => {
      request.resume();
      upstreamCalls.push({ request, response });
    });
    proxy.controlPlane.lease(SECRET);
  });

  afterEach(() => proxy.close());

  const call = {
    path: '/anthropic/v1/messages',
    headers: { 'x-api-key': PLACEHOLDER },
    body: '{"stream":true}',
  };

  async function start(
    headers: http.OutgoingHttpHeaders = EVENT_STREAM,
  ): Promise<{ client: http.IncomingMessage; request: http.ClientRequest; upstream: http.ServerResponse }> {
    const begun = begin(proxy.socket, call);
    await until('the upstream call', () => upstreamCalls.length === 1);
    const upstream = (upstreamCalls[0] as { response: http.ServerResponse }).response;
    upstream.writeHead(200, headers);
    upstream.flushHeaders();
    const { request, response: client } = await begun;
    return { client, request, upstream };
  }

  it('passes head and chunks on one by one, before the upstream sends the next', async () => {
    const { client, upstream } = await start(); // The head arrived although the upstream has sent no byte of a body.
    await until('the receipt', () => proxy.controlPlane.reports('served').length === 1);
    let received = '';
    client.on('data', (chunk: Buffer) => (received += chunk.toString()));
    let sent = '';
    for (const piece of [START, PING, DELTA, STOP]) {
      upstream.write(piece);
      sent += piece;
      await until('this piece alone', () => received === sent);
    }
    expect(proxy.controlPlane.reports('usage')).toHaveLength(0);
    upstream.end();
    await once(client, 'end');
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    expect(proxy.controlPlane.reports('usage')).toMatchObject([
      { model: 'claude-m', inputTokens: 11, cacheReadTokens: 7, cacheWriteTokens: 2, outputTokens: 42 },
    ]);
  });

  it('relays a compressed stream byte for byte and meters a copy', async () => {
    const { response } = await (async () => {
      const begun = begin(proxy.socket, call);
      await until('the upstream call', () => upstreamCalls.length === 1);
      const upstream = (upstreamCalls[0] as { response: http.ServerResponse }).response;
      upstream.writeHead(200, { ...EVENT_STREAM, 'content-encoding': 'gzip' });
      const gzip = createGzip();
      gzip.pipe(upstream);
      gzip.write(START);
      gzip.flush();
      gzip.end(DELTA + STOP);
      return begun;
    })();
    expect(response.headers['content-encoding']).toBe('gzip');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe(START + DELTA + STOP);
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    expect(proxy.controlPlane.reports('usage')).toMatchObject([{ inputTokens: 11, outputTokens: 42 }]);
  });

  describe('whose credential may not serve here any more', () => {
    const withdrawn = '0198c0de-0000-7000-8000-000000000001';
    /** A stream under way, of which the agent has a piece. */
    async function underWay() {
      const { client, upstream } = await start();
      upstream.write(START);
      await once(client, 'data');
      return { client, upstream };
    }

    it('are cut at once when that is told, and the answer does not look whole', async () => {
      const { client, upstream } = await underWay();
      proxy.controlPlane.withdrawn.body = { credentialIds: [withdrawn] };
      const [broken, ended] = [once(client, 'error'), once(upstream, 'close')];
      proxy.workspaces.forget(withdrawn);
      expect(await broken).toMatchObject([{ code: 'ECONNRESET' }]);
      await ended;
      expect(client.complete).toBe(false);
      expect(proxy.controlPlane.withdrawnCalls).toEqual([[withdrawn]]);
    });

    it('go on when there is only a newer secret, when another one changed, and while nobody knows', async () => {
      const { client, upstream } = await underWay();
      proxy.workspaces.forget('0198c0de-0000-7000-8000-000000000009');
      expect(proxy.controlPlane.withdrawnCalls).toEqual([]);
      for (const status of [200, 503, 401]) {
        proxy.controlPlane.withdrawn.status = status;
        const asked = proxy.controlPlane.withdrawnCalls.length;
        proxy.workspaces.forget(withdrawn);
        await until('it is asked', () => proxy.controlPlane.withdrawnCalls.length > asked);
      }
      upstream.end(STOP);
      await once(client.resume(), 'end');
      expect(client.complete).toBe(true);
    });

    it('are cut also when nothing is told, and when nobody is there any more for whom it works', async () => {
      const quick = await startProxy(
        (request, response) => {
          request.resume();
          response.writeHead(200, EVENT_STREAM).write(START);
        },
        { limits: { withdrawnSeconds: 0.02 } },
      );
      quick.controlPlane.lease(SECRET);
      const { response: client } = await begin(quick.socket, call);
      client.resume();
      await until('it is asked', () => quick.controlPlane.withdrawnCalls.length > 1);
      quick.controlPlane.withdrawn.status = 403;
      expect(await once(client, 'error')).toMatchObject([{ code: 'ECONNRESET' }]);
      const asked = quick.controlPlane.withdrawnCalls.length;
      await quick.close();
      expect(quick.controlPlane.withdrawnCalls.length - asked).toBeLessThanOrEqual(1);
    });
  });

  it('ends the upstream call when the client leaves, and counts what is known', async () => {
    const { client, request, upstream } = await start();
    upstream.write(START);
    await once(client, 'data');
    client.on('error', () => undefined);
    request.destroy();
    await until('the end of the upstream call', () => upstream.destroyed);
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    expect(proxy.controlPlane.reports('usage')).toMatchObject([{ inputTokens: 11, outputTokens: null }]);
  });

  it('ends the upstream call when the client leaves before the head', async () => {
    const begun = begin(proxy.socket, call);
    begun.catch(() => undefined);
    await until('the upstream call', () => upstreamCalls.length === 1);
    await proxy.workspaces.close(proxy.command.workspaceId); // Cuts the client's connection.
    await until('the end of the upstream call', () => upstreamCalls[0]?.response.destroyed === true);
    await expect(begun).rejects.toThrow();
  });

  it.each([
    ['chunked', {}],
    ['of known length', { 'content-length': 1000 }],
  ])('breaks the client’s connection when an upstream stream %s is cut', async (_name, headers) => {
    const begun = begin(proxy.socket, call);
    await until('the upstream call', () => upstreamCalls.length === 1);
    const upstream = (upstreamCalls[0] as { response: http.ServerResponse }).response;
    upstream.writeHead(200, { ...EVENT_STREAM, ...headers });
    upstream.write(START);
    const { response } = await begun;
    const text = textOf(response);
    upstream.destroy();
    await expect(text).rejects.toThrow(/aborted|ECONNRESET/);
    expect(response.complete).toBe(false);
  });

  it('answers 502 when the upstream hangs up before its head', async () => {
    const answer = send(proxy.socket, call);
    await until('the upstream call', () => upstreamCalls.length === 1);
    upstreamCalls[0]?.response.destroy();
    expect(await answer).toMatchObject({ status: 502 });
  });

  it('lets a slow client slow the upstream down, and loses nothing', async () => {
    const { client, upstream } = await start({ 'content-type': 'application/octet-stream' });
    const block = randomBytes(1024 * 1024);
    const total = 96;
    let sent = 0;
    const produced = (async () => {
      for (; sent < total; sent++) if (!upstream.write(block)) await once(upstream, 'drain');
      upstream.end();
    })();
    await until('backpressure', () => upstream.writableNeedDrain);
    // While the slow client reads nothing, other calls go on; none of them lets the stalled stream advance without bound.
    for (let i = 0; i < 20; i++) {
      const other = send(proxy.socket, { ...call, path: '/anthropic/v1/models', method: 'HEAD', body: '' });
      expect((await other).status).toBe(200);
    }
    await until('the stall', () => upstream.writableNeedDrain && upstream.writableLength > 0);
    expect(sent).toBeLessThan(total / 2);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of client as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    await produced;
    const expected = createHash('sha256');
    for (let i = 0; i < total; i++) expected.update(block);
    expect(bytes).toBe(total * block.length);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
  });
});

describe('streams of the providers’ emulators', () => {
  it.each(['identity', 'gzip'])('meters an Anthropic answer (%s)', async (coding) => {
    const emulator = await startAnthropicEmulator({ compress: true });
    emulator.accept(SECRET.apiKey);
    const proxy = await startProxy(() => undefined, { upstreamUrl: emulator.url });
    proxy.controlPlane.lease(SECRET);
    const body = {
      model: 'claude-m',
      max_tokens: 10,
      stream: true,
      messages: [{ role: 'user', content: 'hello' }],
    };
    const answer = await send(proxy.socket, {
      path: '/anthropic/v1/messages?beta=true',
      headers: {
        'x-api-key': PLACEHOLDER,
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
        'accept-encoding': coding,
      },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    const [usage] = proxy.controlPlane.reports('usage');
    expect(usage?.model).toBe('claude-m');
    expect(usage?.inputTokens).toBeGreaterThan(0);
    expect(usage?.outputTokens).toBeGreaterThan(0);
    expect(emulator.requests.at(-1)).toMatchObject({
      credential: { kind: 'x-api-key', value: SECRET.apiKey },
    });
    await Promise.all([proxy.close(), emulator.close()]);
  });

  it('meters an OpenAI answer and keeps a real 401 text away', async () => {
    const key = 'sk-key-of-the-streaming-tests';
    const emulator = await startOpenaiEmulator();
    emulator.accept(key);
    const proxy = await startProxy(() => undefined, { upstreamUrl: emulator.url });
    proxy.controlPlane.succession([{ kind: 'openai_api_key', apiKey: key }]);
    const openai = {
      path: '/openai/v1/responses',
      headers: { authorization: `Bearer ${PLACEHOLDER}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-x', stream: true, input: [{ role: 'user', content: 'hello' }] }),
    };
    expect(await send(proxy.socket, openai)).toMatchObject({ status: 200 });
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    const [usage] = proxy.controlPlane.reports('usage');
    expect(usage?.inputTokens).toBeGreaterThan(0);
    expect(usage?.outputTokens).toBeGreaterThan(0);
    emulator.revoke(key);
    const refused = await send(proxy.socket, openai);
    expect(refused.status).toBe(401);
    expect(refused.body).not.toMatch(/sk-|Incorrect API key/);
    await until('the report', () => proxy.controlPlane.reports('refused').length === 1);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([{ errorType: 'invalid_api_key' }]);
    await Promise.all([proxy.close(), emulator.close()]);
  });
});
