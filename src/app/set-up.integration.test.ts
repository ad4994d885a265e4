import { startTestApp, type TestApp } from '../../test/support/app.js';
import { request, requestJson } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { rowCounts, withClient } from '../../test/support/tables.js';

interface SetUp {
  organization: { id: string; slug: string; name: string };
  user: { id: string; email: string; instanceAdministrator: boolean };
  apiKey: string;
}

describe('set-up', () => {
  let berth: TestApp;
  beforeEach(async () => {
    berth = await startTestApp();
  });
  afterEach(() => berth.close());

  const setUp = (change: object = {}) =>
    requestJson<SetUp>(`${berth.url}/api/v1/setup`, 'POST', {
      token: berth.setupToken,
      organization: { name: ' Acme Ltd ', slug: 'acme' },
      user: { name: 'Ada Lovelace', email: ' Ada@Example.COM', password: 'correct horse battery' },
      ...change,
    });

  it('makes the first organization, its owner and a key, and is over then', async () => {
    const answer = await setUp();
    expect(answer.status).toBe(201);
    const { organization, user, apiKey } = answer.body;
    expect(organization).toMatchObject({ slug: 'acme', name: 'Acme Ltd' });
    expect(user).toMatchObject({ email: 'ada@example.com', instanceAdministrator: true });
    const api = berth.api(apiKey, 'acme');
    expect((await api.get('/api/v1/me')).body).toMatchObject({
      user,
      organizations: [{ slug: 'acme', role: 'owner' }],
    });
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query('SELECT email, email_verified_at, password_hash FROM "user"'),
    );
    expect(rows).toEqual([
      {
        email: 'ada@example.com',
        email_verified_at: expect.any(Date) as Date,
        password_hash: expect.stringMatching(/^\$argon2id\$/) as string,
      },
    ]);

    const before = await rowCounts(berth.database.ownerUrl);
    expectProblem(await setUp({ organization: { name: 'Other', slug: 'other' } }), 409, 'already-set-up');
    // Also with a wrong token: what is over is over, and says nothing of the token.
    expectProblem(await setUp({ token: 'wrong' }), 409, 'already-set-up');
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
  });

  it('needs the token that Berth printed', async () => {
    const before = await rowCounts(berth.database.ownerUrl);
    for (const token of [
      'wrong',
      berth.setupToken.slice(0, -1),
      `${berth.setupToken}x`,
      berth.setupToken.toUpperCase(),
    ]) {
      if (token === berth.setupToken) continue;
      const problem = expectProblem(await setUp({ token }), 403, 'setup-token-invalid');
      expect(problem.detail).not.toContain(berth.setupToken.slice(0, 8));
    }
    expectProblem(await setUp({ token: '' }), 422, 'validation-failed');
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
  });

  it('succeeds once, however many come at once', async () => {
    const attempts = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        setUp({
          organization: { name: 'Acme', slug: `acme-${at}` },
          user: { name: 'A', email: `a${at}@example.com`, password: 'correct horse battery' },
        }),
      ),
    );
    expect(attempts.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
    for (const attempt of attempts.filter(({ status }) => status === 409))
      expectProblem(attempt, 409, 'already-set-up');
    expect(await rowCounts(berth.database.ownerUrl)).toMatchObject({
      organization: 1,
      user: 1,
      member: 1,
      api_key: 1,
    });
  });

  it('may be tried again after a mistake', async () => {
    const problem = expectProblem(
      await setUp({ user: { name: '', email: 'ada', password: 'short' } }),
      422,
      'validation-failed',
    );
    expect(problem.errors?.map(({ path }) => path)).toEqual([
      'body.user.name',
      'body.user.email',
      'body.user.password',
    ]);
    expect((await setUp()).status).toBe(201);
  });

  it('lets the instance administrator found more organizations, each slug once', async () => {
    const api = berth.api((await setUp()).body.apiKey, 'acme');
    const made = await api.post<{ apiKey: string }>(
      '/api/v1/organizations',
      { name: 'Second', slug: 'second' },
      201,
    );
    // The key of the first organization does not reach the second; the one in the answer does.
    expectProblem(await api.call('GET', '/api/v1/organizations/second'), 404, 'not-found');
    expect((await berth.api(made.body.apiKey).get('/api/v1/organizations/second')).body).toMatchObject({
      name: 'Second',
    });

    const before = await rowCounts(berth.database.ownerUrl);
    const problem = expectProblem(
      await api.call('POST', '/api/v1/organizations', { name: 'Again', slug: 'second' }),
      409,
      'slug-taken',
    );
    expect(problem.detail).toContain('second');
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);

    const race = await Promise.all(
      Array.from({ length: 5 }, () =>
        api.call('POST', '/api/v1/organizations', { name: 'Third', slug: 'third' }),
      ),
    );
    expect(race.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  it('has a page that shows the token back, and cannot be made to show more', async () => {
    const page = (query: string) => request<string>(`${berth.url}/setup${query}`);
    expect((await page(`?token=${berth.setupToken}`)).body).toContain(berth.setupToken);
    const hostile = `"><script>alert(1)</script>`;
    const answer = await page(`?token=${encodeURIComponent(hostile)}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    // The link holds a token: it must not travel on to other sites, nor into a cache.
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).not.toContain('<script');
    expect((await page('')).body).not.toContain(berth.setupToken);
    expectProblem(await page(`?token=${'x'.repeat(501)}`), 422, 'validation-failed');
    await setUp();
    expect((await page(`?token=${berth.setupToken}`)).body).not.toContain(berth.setupToken);
  });
});
