import type http from 'node:http';
import { gzipSync } from 'node:zlib';
import { until } from '../../test/emulators/until.js';
import { send, textOf, type Answer, type Call } from './testing/http.js';
import { PLACEHOLDER, PROXY_TOKEN, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const API_KEY = 'sk-ant-api03-real-key-that-no-agent-may-see-0123456789';
const SETUP_TOKEN = 'sk-ant-oat01-real-token-that-no-agent-may-see-0123456789';
const OPENAI_KEY = 'sk-proj-real-key-that-no-agent-may-see-0123456789';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  raw: string[];
  headers: http.IncomingHttpHeaders;
  body: string;
}

describe('a model call through the proxy', () => {
  let proxy: ProxyUnderTest;
  let seen: Seen[];
  let respond: (request: http.IncomingMessage, response: http.ServerResponse) => void;

  beforeEach(async () => {
    seen = [];
    respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req_1' });
      response.end(JSON.stringify({ model: 'claude-x', usage: { input_tokens: 3, output_tokens: 5 } }));
    };
    proxy = await startProxy((request, response) => {
      void textOf(request).then((body) => {
        const { method, url, headers, rawHeaders: raw } = request;
        seen.push({ method, url, headers, raw, body });
        respond(request, response);
      });
    });
  });

  afterEach(() => proxy.close());

  const message = (more: Partial<Call> = {}): Call => ({
    path: '/anthropic/v1/messages?beta=true',
    headers: { authorization: `Bearer ${PLACEHOLDER}`, 'content-type': 'application/json' },
    body: '{"model":"claude-asked","unknown_field":[1,2]}',
    ...more,
  });
  const call = (more: Partial<Call> = {}): Promise<Answer> => send(proxy.socket, message(more));

  it('swaps the placeholder for an API key and passes all else on', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    const answer = await call({
      headers: {
        'x-api-key': PLACEHOLDER,
        cookie: 'a=b',
        'proxy-authorization': 'Basic abc',
        'x-hop': 'gone',
        connection: 'x-hop, x-api-key, keep-alive',
        'anthropic-version': '2023-06-01',
        'anthropic-beta': 'one-2025, oauth-2025-04-20,two-2025',
        'x-claude-code-session-id': 'abc',
      },
    });
    expect(answer).toMatchObject({ status: 200, headers: { 'request-id': 'req_1' } });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/v1/messages?beta=true',
      body: '{"model":"claude-asked","unknown_field":[1,2]}',
      headers: {
        'x-api-key': API_KEY,
        'anthropic-version': '2023-06-01',
        'anthropic-beta': 'one-2025,two-2025',
        'x-claude-code-session-id': 'abc',
        'content-length': '46',
        host: new URL(proxy.upstream.url).host,
      },
    });
    for (const gone of ['authorization', 'cookie', 'proxy-authorization', 'x-hop', 'transfer-encoding']) {
      expect(seen[0]?.headers).not.toHaveProperty(gone);
    }
    expect(proxy.controlPlane.leaseCalls).toEqual([
      { upstream: 'anthropic', authorization: `Bearer ${PROXY_TOKEN}` },
    ]);
  });

  it('sends a setup token as bearer, with the beta it needs, also when Connection names it', async () => {
    proxy.controlPlane.lease({ kind: 'claude_setup_token', token: SETUP_TOKEN });
    await call({
      headers: {
        'x-api-key': PLACEHOLDER,
        'anthropic-beta': 'one-2025',
        connection: 'authorization, anthropic-beta',
      },
    });
    await call({ headers: { authorization: `bearer ${PLACEHOLDER}`, 'anthropic-beta': 'one-2025' } });
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${SETUP_TOKEN}`,
      `Bearer ${SETUP_TOKEN}`,
    ]);
    expect(seen.map(({ headers }) => headers['anthropic-beta'])).toEqual([
      'oauth-2025-04-20',
      'one-2025,oauth-2025-04-20',
    ]);
    expect(seen.every(({ headers }) => headers['x-api-key'] === undefined)).toBe(true);
  });

  it('sends an OpenAI key as bearer', async () => {
    proxy.controlPlane.lease({ kind: 'openai_api_key', apiKey: OPENAI_KEY });
    await call({ path: '/openai/v1/responses' });
    expect(seen[0]).toMatchObject({
      url: '/v1/responses',
      headers: { authorization: `Bearer ${OPENAI_KEY}` },
    });
    expect(proxy.controlPlane.leaseCalls[0]?.upstream).toBe('openai');
  });

  it('never sends one provider’s key to the other', async () => {
    proxy.controlPlane.lease({ kind: 'openai_api_key', apiKey: OPENAI_KEY });
    expect(await call()).toMatchObject({ status: 503 });
    expect(seen).toHaveLength(0);
  });

  it.each([
    ['no credential', {}],
    ['another workspace’s placeholder', { authorization: 'Bearer berth-placeholder-of-another-one!!' }],
    ['a prefix', { authorization: `Bearer ${PLACEHOLDER.slice(0, -1)}` }],
    ['Basic', { authorization: `Basic ${PLACEHOLDER}` }],
    ['a wrong x-api-key', { 'x-api-key': `${PLACEHOLDER} ` + 'x' }],
  ])('answers 401 to %s and asks for no lease', async (_name, headers) => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    const answer = await call({ headers });
    expect(answer).toMatchObject({ status: 401, headers: { 'x-should-retry': 'false' } });
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    const other = await call({ path: '/openai/v1/responses', headers });
    expect(JSON.parse(other.body)).toMatchObject({ error: { code: 'invalid_api_key' } });
    expect(proxy.controlPlane.leaseCalls).toHaveLength(0);
  });

  it('keeps the body of an upstream 401 to itself, reports it, and asks for another lease; there is none', async () => {
    proxy.controlPlane.succession([{ kind: 'openai_api_key', apiKey: OPENAI_KEY }]);
    respond = (_request, response) => {
      const error = {
        message: `Incorrect API key provided: ${OPENAI_KEY.slice(0, 20)}`,
        code: 'invalid_api_key',
      };
      response.writeHead(401, {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'www-authenticate': `Bearer ${OPENAI_KEY}`,
      });
      response.end(gzipSync(JSON.stringify({ error })));
    };
    const answer = await call({ path: '/openai/v1/responses' });
    expect(answer).toMatchObject({ status: 401, headers: { 'x-should-retry': 'false' } });
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'credential_refused', param: null } });
    expect(JSON.stringify(answer)).not.toContain(OPENAI_KEY.slice(0, 12));
    await until('the report', () => proxy.controlPlane.accepted.size === 1);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([
      { status: 401, errorType: 'invalid_api_key', generation: 1 },
    ]);
    expect(proxy.controlPlane.order).toEqual(['lease', 'report 204', 'lease']);
  });

  it('answers a 401 whose body never ends, in bounded time', async () => {
    await proxy.close();
    proxy = await startProxy(
      (_request, response) => {
        response.writeHead(401);
        response.write('{"error":');
      },
      { limits: { withheldTimeoutSeconds: 0.05 } },
    );
    proxy.controlPlane.succession([{ kind: 'anthropic_api_key', apiKey: API_KEY }]);
    expect(await call()).toMatchObject({ status: 401 });
    await until('the report', () => proxy.controlPlane.accepted.size === 1);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([{ status: 401, errorType: null }]);
  });

  it('passes a 403 that is none of the credential, and other errors, on unchanged, and reports the 403 and the 429', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    const body =
      '{"type":"error","error":{"type":"permission_error","message":"Not for your organization."}}';
    for (const status of [403, 400, 429, 500, 529]) {
      respond = (_request, response) => response.writeHead(status, { 'retry-after': '7' }).end(body);
      expect(await call()).toMatchObject({ status, body, headers: { 'retry-after': '7' } });
    }
    await until('the reports', () => proxy.controlPlane.accepted.size === 2);
    expect([...proxy.controlPlane.accepted.values()]).toMatchObject([
      { type: 'denied', status: 403, errorType: 'permission_error' },
      { type: 'limited', errorType: 'permission_error', until: null },
    ]);
    expect(proxy.controlPlane.leaseCalls).toHaveLength(1);
  });

  it('leaves out answer headers that repeat the key, and cookies', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    respond = (_request, response) =>
      response.writeHead(200, { 'x-echo': `got ${API_KEY}`, 'set-cookie': 'a=b', 'x-kept': 'yes' }).end('{}');
    const answer = await call();
    expect(answer.headers).toMatchObject({ 'x-kept': 'yes' });
    expect(JSON.stringify(answer)).not.toContain(API_KEY);
    expect(answer.headers).not.toHaveProperty('set-cookie');
  });

  it('reports served and usage for model calls alone', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY }, { generation: 4 });
    await call({ path: '/anthropic/v1/messages/count_tokens' });
    await call({ path: '/anthropic/v1/models?limit=1000', method: 'GET', body: '' });
    await call();
    await until('both reports', () => proxy.controlPlane.accepted.size === 2);
    expect(proxy.controlPlane.reports('served')).toMatchObject([{ generation: 4 }]);
    expect(proxy.controlPlane.reports('usage')).toMatchObject([
      {
        generation: 4,
        model: 'claude-x',
        inputTokens: 3,
        outputTokens: 5,
        cacheReadTokens: null,
        cacheWriteTokens: null,
      },
    ]);
    expect([...proxy.controlPlane.accepted.values()].map(({ type }) => type)).toEqual(['served', 'usage']);
  });

  it('takes the model from the request when the answer names none, and does not turn unknown into zero', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    respond = (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'zstd' }).end('?');
    await call();
    await until('both reports', () => proxy.controlPlane.accepted.size === 2);
    expect(proxy.controlPlane.reports('usage')).toMatchObject([
      { model: 'claude-asked', inputTokens: null, outputTokens: null },
    ]);
  });

  it('answers 502 when the upstream is away', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    await proxy.upstream.close();
    const answer = await call();
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it('shows the real key nowhere: no log line, no answer', async () => {
    const keys = [API_KEY, SETUP_TOKEN, OPENAI_KEY, PLACEHOLDER, PROXY_TOKEN];
    const answers: Answer[] = [];
    const told: unknown[] = [];
    const kinds = [
      { kind: 'anthropic_api_key', apiKey: API_KEY },
      { kind: 'claude_setup_token', token: SETUP_TOKEN },
    ] as const;
    for (const secret of kinds) {
      proxy.controlPlane.accepted.clear();
      proxy.controlPlane.succession([secret]);
      for (const status of [200, 403, 500, 401]) {
        // The worst upstream: it repeats what it got, in headers everywhere and in the body of the 401.
        respond = (request, response) => {
          const key = String(request.headers.authorization ?? request.headers['x-api-key']);
          response.writeHead(status, { 'x-echo': key, 'content-type': 'application/json' });
          response.end(status === 401 ? JSON.stringify({ error: { type: key, message: key } }) : '{}');
        };
        answers.push(await call({ path: `/anthropic/v1/messages?leak=${PLACEHOLDER}` }));
      }
      await until('the reports', () => proxy.controlPlane.accepted.size === 4);
      told.push(...proxy.controlPlane.accepted.values());
    }
    proxy.controlPlane.lease(kinds[0]);
    await proxy.upstream.close();
    answers.push(await call());
    const text = JSON.stringify([answers, proxy.log.lines, told]);
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 500, 401, 200, 403, 500, 401, 502]);
    expect(proxy.log.lines.length).toBeGreaterThan(8);
    for (const key of keys) expect(text).not.toContain(key);
    expect(text).not.toContain(API_KEY.slice(13, 30));
  });
});
