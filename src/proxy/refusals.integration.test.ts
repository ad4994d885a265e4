import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Limits } from './limits.js';
import { begin, textOf } from './testing/http.js';
import { until } from '../../test/emulators/until.js';
import { NEW, OLD, OPENAI, RefusingUpstream, textOfSecret } from './testing/refusing-upstream.js';

describe('an upstream that says no', () => {
  let upstream: RefusingUpstream;

  beforeEach(async () => {
    upstream = await RefusingUpstream.start();
  });
  afterEach(() => upstream.close());

  it('is sent again after a 403 that says that the token was revoked', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    upstream.accept(NEW);
    const revoked = {
      type: 'permission_error',
      message: 'OAuth token has been revoked. Please obtain a new token.',
    };
    upstream.respond = (one, response) => {
      if (one.secret !== textOfSecret(OLD)) upstream.answer(one, response);
      else response.writeHead(403).end(JSON.stringify({ error: revoked }));
    };
    expect(await upstream.call()).toMatchObject({ status: 200 });
    await until('the report', () => upstream.generations('refused').length === 1);
    expect(upstream.proxy.controlPlane.reports('refused')).toMatchObject([
      { status: 403, errorType: 'permission_error' },
    ]);
    expect(upstream.proxy.controlPlane.reports('denied')).toEqual([]);
  });

  it('passes a 403 that refuses the call on, byte for byte and compressed as it came', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    const plain = JSON.stringify({
      error: { type: 'permission_error', message: 'Scope user:inference is missing. ä' },
    });
    const bytes = gzipSync(plain);
    upstream.respond = (_one, response) =>
      void response
        .writeHead(403, {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          'content-length': bytes.length,
          'request-id': 'req_7',
          'set-cookie': 'a=b',
        })
        .end(bytes);
    const { response } = await begin(upstream.proxy.socket, upstream.message());
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(response.statusCode).toBe(403);
    expect(response.headers).toMatchObject({
      'request-id': 'req_7',
      'content-encoding': 'gzip',
      'content-length': String(bytes.length),
    });
    expect(response.headers).not.toHaveProperty('set-cookie');
    await until('the report', () => upstream.proxy.controlPlane.accepted.size === 1);
    expect(upstream.proxy.controlPlane.reports('denied')).toMatchObject([
      { status: 403, errorType: 'permission_error', generation: 1 },
    ]);
    expect(upstream.seen).toHaveLength(1);
  });

  it.each<[string, Partial<Limits>]>([
    ['larger than what is read of it', {}],
    ['slower than what is waited for', { withheldTimeoutSeconds: 0.05 }],
  ])('passes a 403 on that is %s', async (_name, limits) => {
    await upstream.close();
    upstream = await RefusingUpstream.start(limits);
    upstream.proxy.controlPlane.succession([OLD]);
    const [first, second] = [randomBytes(100_000), randomBytes(200_000)];
    let finish: () => void = () => undefined;
    upstream.respond = (_one, response) => {
      response.writeHead(403).write(limits.withheldTimeoutSeconds ? first.subarray(0, 10) : first);
      finish = () =>
        response.end(limits.withheldTimeoutSeconds ? Buffer.concat([first.subarray(10), second]) : second);
    };
    const { response } = await begin(upstream.proxy.socket, upstream.message());
    finish();
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(response.statusCode).toBe(403);
    expect(Buffer.concat(chunks).equals(Buffer.concat([first, second]))).toBe(true);
  });

  it('breaks the connection of a 403 that broke off', async () => {
    upstream.proxy.controlPlane.succession([OLD]);
    upstream.respond = (_one, response) => {
      response.writeHead(403, { 'content-length': 100 });
      response.write('{"error":', () => response.destroy());
    };
    const whole = begin(upstream.proxy.socket, upstream.message()).then(({ response }) => textOf(response));
    await expect(whole).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    expect(upstream.seen).toHaveLength(1);
  });

  it.each([
    [
      '/anthropic/v1/messages',
      OLD,
      'event: error\ndata: {"type":"error","error":{"type":"authentication_error"}}\n\n',
      [1],
    ],
    [
      '/anthropic/v1/messages',
      OLD,
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
      [],
    ],
    ['/openai/v1/responses', OPENAI, 'event: error\ndata: {"type":"error","code":"token_revoked"}\n\n', [1]],
    [
      '/openai/v1/responses',
      OPENAI,
      'event: response.failed\ndata: {"response":{"error":{"code":"server_error"}}}\n\n',
      [],
    ],
  ])('of which %s has begun is never sent again: %#', async (path, secret, event, expected) => {
    upstream.proxy.controlPlane.succession([secret, secret]);
    upstream.respond = (_one, response) =>
      void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(event);
    expect(await upstream.call({ path })).toMatchObject({ status: 200, body: event });
    await until('the end of its reports', () => upstream.proxy.controlPlane.reports('usage').length === 1);
    await upstream.call({ path: '/anthropic/v1/models', method: 'GET', body: '' });
    await until('the reports', () => upstream.generations('refused').length === expected.length);
    expect(upstream.generations('refused')).toEqual(expected);
    expect(upstream.seen.filter(({ url }) => !url?.endsWith('models'))).toHaveLength(1);
  });

  it('is told apart from a plan that is used up, which is passed on with its end', async () => {
    const reset = Math.floor(Date.now() / 1000) + 3600;
    upstream.proxy.controlPlane.succession([OLD]);
    upstream.respond = (_one, response) =>
      void response
        .writeHead(429, {
          'anthropic-ratelimit-unified-status': 'rejected',
          'anthropic-ratelimit-unified-reset': reset,
          'content-encoding': 'gzip',
        })
        .end(gzipSync('{"error":{"type":"rate_limit_error"}}'));
    expect(await upstream.call()).toMatchObject({
      status: 429,
      headers: { 'anthropic-ratelimit-unified-status': 'rejected' },
    });
    await until('the report', () => upstream.proxy.controlPlane.accepted.size === 1);
    expect(upstream.proxy.controlPlane.reports('limited')).toMatchObject([
      { errorType: 'rate_limit_error', until: new Date(reset * 1000).toISOString(), generation: 1 },
    ]);
    expect(upstream.proxy.controlPlane.leaseCalls).toHaveLength(1);
  });
});
