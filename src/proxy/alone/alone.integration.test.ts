import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { until } from '../../../test/emulators/until.js';
import type { Limits } from '../limits.js';
import { AloneGround, call, health, RULE } from '../../../test/support/proxy-alone.js';

const TOKEN_PATH = '/v1/oauth/token';
const KEY = 'sk-ant-api03-static-key-beside-an-identity';

let ground: AloneGround;
beforeAll(async () => {
  ground = await AloneGround.start();
});
afterEach(() => ground.reset());
afterAll(() => ground.close());

const messages = () => ground.anthropic.requests.filter(({ path }) => path === '/v1/messages');

async function ready(environment = ground.environment, limits: Partial<Limits> = {}): Promise<number> {
  const { ports } = await ground.listen(environment, limits);
  await until('a token', () => ground.log.lines.some((line) => line.includes('new token')));
  return ports.anthropic;
}

describe('the proxy on its own, with the identity of a GitHub job', () => {
  it('exchanges GitHub’s token as documented, and sends its own as a bearer', async () => {
    const port = await ready({
      ...ground.environment,
      AWF_AUTH_ANTHROPIC_WORKSPACE_ID: 'wrkspc_01Widget',
      ANTHROPIC_API_KEY: KEY,
    });
    ground.anthropic.accept(KEY);
    const answer = await call(port, { headers: { 'x-api-key': 'sk-ant-placeholder' } });
    expect(answer.status).toBe(200);
    const [minted] = ground.github.requests;
    expect(minted?.query).toBe('?api-version=2.0&audience=https%3A%2F%2Fapi.anthropic.com');
    const [exchange] = ground.anthropic.requests;
    expect(exchange).toMatchObject({
      path: TOKEN_PATH,
      headers: { 'anthropic-beta': 'oauth-2025-04-20,oidc-federation-2026-04-01' },
    });
    expect(ground.anthropic.logins.federation.exchanges).toMatchObject([{ rule: RULE.id, denied: null }]);
    const [token] = ground.anthropic.logins.federation.tokens.slice(-1);
    expect(messages()).toMatchObject([
      {
        credential: { kind: 'bearer', value: token },
        headers: { 'anthropic-beta': 'one-2025-01-01,oauth-2025-04-20', 'anthropic-version': '2023-06-01' },
      },
    ]);
    expect(await health(port)).toEqual({
      status: 200,
      body: { status: 'healthy', service: 'awf-api-proxy-anthropic' },
    });
    expect(ground.log.lines.filter((line) => line.includes('ANTHROPIC_API_KEY'))).toHaveLength(1);
  });

  it('renews the token when it is due, and serves the old one meanwhile', async () => {
    const port = await ready();
    // 600 s: due five minutes before the end, or a little later.
    await ground.time.pass(299_000);
    expect(ground.exchanges).toBe(1);
    ground.anthropic.fail({ mode: 'hold-before', match: { path: TOKEN_PATH } });
    const passing = ground.time.pass(32_000);
    await until('the exchange', () => ground.exchanges === 2);
    expect((await call(port)).status).toBe(200);
    ground.anthropic.logins.release();
    await passing;
    expect((await call(port)).status).toBe(200);
    const [first, second] = messages().map(({ credential }) => credential.value);
    expect(second).not.toBe(first);
    expect(ground.exchanges).toBe(2);
  });

  it('answers 503 and says when to come again while there is no token, and recovers by itself', async () => {
    ground.github.fail({ status: 503, headers: { 'retry-after': '60' }, times: 1 });
    const { ports } = await ground.listen();
    await until('the failure', () => ground.log.lines.some((line) => line.includes('no new token')));
    const answer = await call(ports.anthropic);
    expect(answer.status).toBe(503);
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(60);
    expect(seconds).toBeLessThanOrEqual(66);
    expect(await answer.json()).toMatchObject({
      type: 'error',
      error: {
        message: 'The token for this API is not available yet; retry shortly',
        type: 'provider_not_configured',
        provider: 'anthropic',
        port: ports.anthropic,
        retryable: true,
      },
    });
    expect(await health(ports.anthropic)).toMatchObject({
      status: 503,
      body: { status: 'unavailable', service: 'awf-api-proxy-anthropic' },
    });
    expect(await health(ports.openai)).toMatchObject({
      status: 200,
      body: { providers: { anthropic: false } },
    });
    expect(messages()).toEqual([]);
    await ground.time.pass(66_000);
    expect((await health(ports.anthropic)).status).toBe(200);
    expect((await call(ports.anthropic)).status).toBe(200);
  });

  it('makes one exchange when the token is revoked early, and no client sees an error', async () => {
    const port = await ready();
    ground.anthropic.logins.federation.revoke();
    const answers = await Promise.all(Array.from({ length: 30 }, () => call(port)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
    expect(ground.exchanges).toBe(2);
    // The one that was refused late finds the newer token.
    expect((await call(port)).status).toBe(200);
    expect(ground.exchanges).toBe(2);
  });

  it.each([10 * 60, 3600])('recovers by itself after an outage of %i s', async (seconds) => {
    const port = await ready();
    ground.anthropic.fail({ status: 500, times: 'always', match: { path: TOKEN_PATH } });
    await ground.time.pass(seconds * 1000);
    expect((await health(port)).status).toBe(503);
    // Never more often than every 15 s at last.
    expect(ground.exchanges).toBeLessThan(20 + seconds / 15);
    const before = ground.exchanges;
    ground.anthropic.reset();
    expect(before).toBeGreaterThan(3);
    await ground.time.pass(17_000);
    expect((await health(port)).status).toBe(200);
    expect((await call(port)).status).toBe(200);
    expect(ground.exchanges).toBe(1);
  });

  it('makes no loop of tokens that live for 60 seconds', async () => {
    ground.rule({ tokenSeconds: 60 });
    const port = await ready();
    await ground.time.pass(3_600_000);
    expect(ground.exchanges).toBeGreaterThan(60);
    expect(ground.exchanges).toBeLessThanOrEqual(3600 / 45 + 1);
    expect((await call(port)).status).toBe(200);
  });

  it('does not ask again and again when upstream refuses each new token', async () => {
    const port = await ready(ground.environment, { holdSeconds: 0.5 });
    ground.anthropic.fail({ status: 401, times: 'always' });
    const first = await call(port);
    expect(first.status).toBe(401);
    expect(first.headers.get('x-should-retry')).toBe('false');
    expect(await first.text()).toContain('refused the token of this proxy');
    expect(ground.exchanges).toBe(2);
    const calls = Array.from({ length: 10 }, () => call(port));
    await ground.time.pass(60_000);
    await Promise.all(calls);
    expect(ground.exchanges).toBeLessThan(8);
    ground.anthropic.reset();
    await ground.time.pass(16_000);
    expect((await call(port)).status).toBe(200);
  });

  it('says 401 in words of its own when Anthropic denies the identity, and recovers when the rule is mended', async () => {
    ground.rule({ subjectPrefix: 'repo:somebody-else' });
    const { ports } = await ground.listen();
    await until('the denial', () => ground.log.lines.some((line) => line.includes('no new token')));
    const answer = await call(ports.anthropic);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(await answer.text()).toContain(`Compare rule ${RULE.id}`);
    expect(await health(ports.anthropic)).toMatchObject({ status: 503 });
    await ground.time.pass(24 * 3_600_000);
    ground.rule();
    await ground.time.pass(331_000);
    expect((await call(ports.anthropic)).status).toBe(200);
  });

  it('does not care when its clock is set', async () => {
    const port = await ready();
    for (const minutes of [5, -5, 0]) {
      ground.time.skew(minutes * 60_000);
      await ground.time.pass(60_000);
      expect((await call(port)).status).toBe(200);
    }
    expect(ground.exchanges).toBeLessThanOrEqual(3);
  });

  it('lets no secret into a log line or an answer', async () => {
    const port = await ready();
    ground.anthropic.logins.federation.revoke();
    const bodies = [await (await call(port)).text()];
    ground.anthropic.fail({ status: 500, match: { path: TOKEN_PATH }, times: 2 });
    ground.github.fail({ mode: 'cut-before-head', times: 1 });
    await ground.time.pass(600_000);
    for (const page of ['/health', '/metrics', '/reflect']) {
      bodies.push(await (await fetch(`http://127.0.0.1:${port}${page}`)).text());
    }
    expect(ground.secrets.length).toBeGreaterThan(6);
    for (const secret of ground.secrets) {
      expect(ground.log.lines.join('\n')).not.toContain(secret);
      expect(bodies.join('\n')).not.toContain(secret);
    }
    expect(bodies.join('\n')).toMatch(
      /berth_credential_renewals_total\{kind="anthropic_wif",outcome="succeeded"\} [3-9]/,
    );
  });

  it('reads a token from a file at each exchange', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-alone-'));
    const file = path.join(directory, 'token');
    await writeFile(file, `${await ground.github.mint('https://api.anthropic.com')}\n`);
    try {
      const port = await ready({
        ...ground.environment,
        ACTIONS_ID_TOKEN_REQUEST_URL: '',
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: '',
        ANTHROPIC_IDENTITY_TOKEN_FILE: file,
      });
      await ground.time.pass(250_000);
      await writeFile(file, await ground.github.mint('https://api.anthropic.com'));
      await ground.time.pass(81_000);
      expect((await call(port)).status).toBe(200);
      expect(ground.anthropic.logins.federation.exchanges.map(({ denied }) => denied)).toEqual([null, null]);
      expect(ground.github.requests.filter(({ path }) => path === '/token')).toEqual([]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('the proxy on its own, with static keys', () => {
  const environment = () => ({ ...ground.places, ANTHROPIC_API_KEY: KEY });

  it('puts the key on requests of anybody who reaches it', async () => {
    ground.anthropic.accept(KEY);
    const { ports } = await ground.listen(environment());
    const answer = await call(ports.anthropic, {
      headers: { authorization: '', 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', via: '1.1 x' },
    });
    expect(answer.status).toBe(200);
    const [{ credential, headers } = { credential: null, headers: {} }] = messages();
    expect(credential).toEqual({ kind: 'x-api-key', value: KEY });
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['via']));
    expect(headers).not.toHaveProperty('forwarded');
    expect(headers).not.toHaveProperty('x-forwarded-for');
    expect(ground.github.requests).toEqual([]);
  });

  it('passes a refusal of the key on unchanged: nothing could be renewed', async () => {
    ground.anthropic.revoke(KEY);
    const { ports } = await ground.listen(environment());
    const answer = await call(ports.anthropic);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({
      error: { type: 'authentication_error', message: 'invalid x-api-key' },
    });
    expect(messages()).toHaveLength(1);
    const forbidden = {
      type: 'error',
      error: { type: 'permission_error', message: 'OAuth token has been revoked.' },
    };
    ground.anthropic.fail({ status: 403, body: forbidden });
    const revoked = await call(ports.anthropic);
    expect([revoked.status, await revoked.json()]).toEqual([403, forbidden]);
  });

  it('has no answer for the API that it was given no key for', async () => {
    const { ports } = await ground.listen(environment());
    const answer = await call(ports.openai, { path: '/v1/responses' });
    expect(answer.status).toBe(404);
    expect(await health(ports.openai)).toEqual({
      status: 200,
      body: { status: 'healthy', service: 'awf-api-proxy', providers: { anthropic: true, openai: false } },
    });
    const reflected = await (await fetch(`http://127.0.0.1:${ports.openai}/reflect`)).json();
    expect(reflected).toMatchObject({
      endpoints: [
        { provider: 'anthropic', port: ports.anthropic, configured: true },
        { provider: 'openai', port: ports.openai, configured: false },
      ],
    });
  });

  it('answers probes, refuses pages of browsers and what it does not know', async () => {
    ground.anthropic.accept(KEY);
    const { ports } = await ground.listen(environment());
    const pages: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: `http://rebound.example:${ports.anthropic}` },
      { origin: 'null' },
    ];
    for (const headers of pages) expect((await call(ports.anthropic, { headers })).status).toBe(403);
    expect(messages()).toEqual([]);
    const at = (path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${ports.anthropic}${path}`, init);
    expect((await at('/api/hello', { method: 'HEAD' })).status).toBe(200);
    expect((await at('/v1/files')).status).toBe(404);
    expect((await at('/v1/messages//x', { method: 'POST' })).status).toBe(400);
    const metrics = await (await at('/metrics')).text();
    expect(metrics).toContain('berth_proxy_request_duration_seconds');
    expect(metrics).not.toContain('berth_workspaces');
  });
});
