import { startTestApp, type TestApp } from '../../test/support/app.js';
import { request } from '../../test/support/http.js';
import { asSuperuser } from '../../test/support/postgres.js';
import { expectProblem } from '../../test/support/problem.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';

describe('what belongs to the instance', () => {
  let berth: TestApp;
  const log = new RecordingLog();
  beforeAll(async () => {
    berth = await startTestApp({ log });
  });
  afterAll(() => berth.close());
  const get = <T = string>(path: string) => request<T>(`${berth.url}${path}`);

  it('says that it lives and that it can serve', async () => {
    expect((await get<object>('/healthz')).body).toEqual({ status: 'ok' });
    expect((await get<object>('/readyz')).body).toEqual({ status: 'ready' });
  });

  it('is alive but not ready while it starts or stops', async () => {
    berth.parts.readiness.isOpen = false;
    try {
      expectProblem(await get('/readyz'), 503, 'not-ready');
      expect((await get('/healthz')).status).toBe(200);
    } finally {
      berth.parts.readiness.isOpen = true;
    }
  });

  it('serves its API as OpenAPI, with its own address', async () => {
    const answer = await get<{ openapi: string; servers: { url: string }[]; paths: object }>('/openapi.json');
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.body.openapi).toMatch(/^3\.1/);
    expect(answer.body.servers).toEqual([{ url: berth.url }]);
    expect(Object.keys(answer.body.paths).length).toBeGreaterThan(15);
  });

  it.each(['/', '/docs', '/setup'])('serves %s as a page without script inside', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.body).not.toMatch(/<script(?![^>]*\ssrc=)/);
  });

  it('serves all that /docs needs, and lets the browser run it', async () => {
    const page = await get('/docs');
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const file of files) {
      const answer = await get(file);
      expect([file, answer.status]).toEqual([file, 200]);
      const expected = file.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8';
      expect(answer.headers.get('content-type')).toBe(expected);
      // With nosniff, a script of a wrong type would not run.
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const policy = directivesOf(page.headers.get('content-security-policy') ?? '');
    expect(policy['script-src']).toEqual(["'self'"]);
    // Swagger UI sets styles on elements and fetches /openapi.json.
    expect(policy['style-src']).toContain("'unsafe-inline'");
    expect(policy['connect-src'] ?? policy['default-src']).toEqual(["'self'"]);
  });

  it.each(['/', '/docs', '/healthz', '/api/v1/me', '/nothing', '/docs/assets/swagger-ui.css'])(
    'sends safe headers with %s',
    async (path) => {
      const { headers } = await get(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('access-control-allow-origin')).toBeNull();
      // On plain http, which this is, browsers must not be told to use https only.
      expect(headers.get('strict-transport-security')).toBeNull();
      const policy = directivesOf(headers.get('content-security-policy') ?? '');
      expect(policy).toMatchObject({
        'default-src': ["'self'"],
        'frame-ancestors': ["'self'"],
        'object-src': ["'none'"],
        'base-uri': ["'self'"],
      });
      expect(policy).not.toHaveProperty('upgrade-insecure-requests');
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('gives each request an id of ours, which the log and a problem name', async () => {
    log.lines.length = 0;
    const answer = await request(`${berth.url}/api/v1/me`, { headers: { 'x-request-id': 'forged\u00e9' } });
    const { requestId } = expectProblem(answer, 401);
    expect(requestId).not.toContain('forged');
    const again = await request(`${berth.url}/api/v1/me`);
    expect(again.headers.get('x-request-id')).not.toBe(requestId);
    const lines = await berth.api(null).poll('both are logged', () => {
      const found = log.lines.filter(({ message }) => message === 'request');
      return Promise.resolve(found.length === 2 ? found : null);
    });
    expect(lines[0]?.fields).toMatchObject({
      requestId,
      method: 'GET',
      path: '/api/v1/me',
      status: 401,
      complete: true,
    });
  });

  it('does not log what stands in a query', async () => {
    log.lines.length = 0;
    await get('/setup?token=very-secret-token');
    await berth.api(null).poll('it is logged', () => Promise.resolve(log.lines.length || null));
    expect(JSON.stringify(log.lines)).not.toContain('very-secret-token');
  });
});

describe('without its database', () => {
  it('is not ready and says so, quickly, and without telling strangers about the server; it lives', async () => {
    const log = new RecordingLog();
    const berth = await startTestApp({ log });
    try {
      const database = new URL(berth.database.ownerUrl).pathname.slice(1);
      await asSuperuser((client) => client.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS false`));
      await asSuperuser((client) =>
        client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]),
      );
      const startedAt = performance.now();
      const answer = await request(`${berth.url}/readyz`);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      const problem = expectProblem(answer, 503, 'not-ready');
      expect(problem.detail).toBe('Berth cannot serve now: the database does not answer.');
      expect(answer.headers.get('retry-after')).toBe('5');
      // Who runs it finds the reason in the log.
      expect(JSON.stringify(log.lines)).toContain(database);
      expect((await request(`${berth.url}/healthz`)).status).toBe(200);
      expectProblem(
        await request(`${berth.url}/api/v1/me`, {
          headers: { authorization: `Bearer berth_abcdefgh_${'a'.repeat(43)}` },
        }),
        503,
        'database-unavailable',
      );

      await asSuperuser((client) => client.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS true`));
      await berth
        .api(null)
        .poll('it is ready again', async () =>
          (await request(`${berth.url}/readyz`)).status === 200 ? true : null,
        );
    } finally {
      await berth.close();
    }
  });
});

/** A content security policy by its directives. */
function directivesOf(policy: string): Record<string, string[]> {
  return Object.fromEntries(
    policy.split(';').map((directive) => {
      const [name = '', ...values] = directive.trim().split(/\s+/);
      return [name, values];
    }),
  );
}
