import { parseSetCookie, type SetCookie } from 'cookie';
import { startTestApp, type TestApp } from '../../test/support/app.js';
import { request, requestJson } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { withClient } from '../../test/support/tables.js';
import { FakeClock } from '../kernel/index.js';
import { PublicUrl } from '../http/index.js';

const PASSWORD = 'correct horse battery';
const EMAIL = 'ada@example.com';
const DAY_MS = 24 * 3600 * 1000;

async function setUp(berth: TestApp): Promise<string> {
  const { body } = await requestJson<{ apiKey: string }>(`${berth.url}/api/v1/setup`, 'POST', {
    token: berth.setupToken,
    organization: { name: 'Acme', slug: 'acme' },
    user: { name: 'Ada', email: EMAIL, password: PASSWORD },
  });
  return body.apiKey;
}

const signIn = (berth: TestApp, email = EMAIL, password = PASSWORD) =>
  requestJson<{ user: object; expiresAt: string }>(`${berth.url}/api/v1/session`, 'POST', {
    email,
    password,
  });

/** The session cookie of an answer, with its flags. */
function cookieOf(answer: { headers: Headers }): SetCookie & { value: string } {
  const [cookie, ...more] = answer.headers.getSetCookie();
  if (!cookie || more.length > 0)
    throw new Error(`Expected one cookie, got ${answer.headers.getSetCookie().join(' and ')}`);
  const parsed = parseSetCookie(cookie);
  return { ...parsed, value: parsed.value ?? '' };
}

describe('signing in', () => {
  let berth: TestApp;
  let clock: FakeClock;
  let apiKey: string;
  beforeAll(async () => {
    clock = new FakeClock(new Date());
    berth = await startTestApp({ clock });
    apiKey = await setUp(berth);
  });
  afterAll(() => berth.close());

  /** Headers of the web page after signing in. */
  async function session(): Promise<{ cookie: string }> {
    const answer = await signIn(berth);
    expect(answer.status).toBe(200);
    return { cookie: `berth_session=${cookieOf(answer).value}` };
  }
  const me = (headers: Record<string, string>) =>
    request<{ user: { email: string } }>(`${berth.url}/api/v1/me`, { headers });
  const makeKey = (headers: Record<string, string>) =>
    requestJson(`${berth.url}/api/v1/organizations/acme/api-keys`, 'POST', { name: 'by cookie' }, headers);

  it('sets a cookie that no script reads and no other site sends along with a form', async () => {
    const answer = await signIn(berth);
    expect(answer.status).toBe(200);
    expect(answer.body.user).toMatchObject({ email: EMAIL, name: 'Ada', instanceAdministrator: true });
    const cookie = cookieOf(answer);
    expect(cookie).toMatchObject({ name: 'berth_session', httpOnly: true, sameSite: 'lax', path: '/' });
    expect(cookie.secure).toBeUndefined();
    expect(cookie.domain).toBeUndefined();
    expect(cookie.value).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const lifetime = new Date(answer.body.expiresAt).getTime() - clock.now().getTime();
    expect(lifetime).toBe(30 * DAY_MS);
    expect(
      Math.abs((cookie.expires?.getTime() ?? 0) - new Date(answer.body.expiresAt).getTime()),
    ).toBeLessThan(1000);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('opens what the person may do, until signing out', async () => {
    const headers = await session();
    expect((await me(headers)).body.user.email).toBe(EMAIL);
    const another = await session();
    const out = await request(`${berth.url}/api/v1/session`, {
      method: 'DELETE',
      headers: { ...headers, origin: berth.url },
    });
    expect(out.status).toBe(204);
    expect(cookieOf(out)).toMatchObject({ name: 'berth_session', value: '', path: '/', httpOnly: true });
    expect(cookieOf(out).expires?.getTime()).toBe(0);
    expectProblem(await me(headers), 401, 'unauthenticated');
    // The other browser stays signed in.
    expect((await me(another)).status).toBe(200);
  });

  it('is known by a token that is stored as a hash only, and is new every time', async () => {
    const [first, second] = [await session(), await session()];
    expect(first.cookie).not.toBe(second.cookie);
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query<{ t: string }>('SELECT session::text AS t FROM session'),
    );
    expect(rows.length).toBeGreaterThan(1);
    for (const { t } of rows)
      for (const { cookie } of [first, second]) expect(t).not.toContain(cookie.split('=')[1]);
  });

  it('takes the address however it is written', async () => {
    expect((await signIn(berth, '  ADA@Example.COM ')).status).toBe(200);
  });

  it('says the same of a wrong password and of an address nobody has', async () => {
    const wrong = await signIn(berth, EMAIL, 'wrong horse battery');
    const nobody = await signIn(berth, 'nobody@example.com');
    const problem = expectProblem(wrong, 401, 'sign-in-failed');
    expect({ ...expectProblem(nobody, 401, 'sign-in-failed'), requestId: '' }).toEqual({
      ...problem,
      requestId: '',
    });
    for (const answer of [wrong, nobody]) expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['nothing', {}, ['body.email', 'body.password']],
    ['an address that is none', { email: 'ada', password: PASSWORD }, ['body.email']],
    ['a password that is no text', { email: EMAIL, password: { $ne: '' } }, ['body.password']],
    ['too much', { email: EMAIL, password: PASSWORD, admin: true }, ['body.admin']],
  ])('is refused with %s', async (_, body, paths) => {
    const problem = expectProblem(
      await requestJson(`${berth.url}/api/v1/session`, 'POST', body),
      422,
      'validation-failed',
    );
    expect(problem.errors?.map(({ path }) => path)).toEqual(paths);
  });

  it('ends after 30 days, used or not', async () => {
    const headers = await session();
    clock.advance(30 * DAY_MS - 1000);
    expect((await me(headers)).status).toBe(200);
    clock.advance(1000);
    expectProblem(await me(headers), 401, 'unauthenticated');
    // The next one who signs in sweeps away what expired.
    await session();
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query('SELECT 1 FROM session WHERE expires_at < $1', [clock.now()]),
    );
    expect(rows).toEqual([]);
  });

  it.each(['', 'x', 'a'.repeat(43), '%00', '"quoted"'])('is not by the cookie %j', async (value) => {
    expectProblem(await me({ cookie: `berth_session=${value}` }), 401, 'unauthenticated');
  });

  describe('from another site', () => {
    it.each<[string, Record<string, string>]>([
      ['a foreign Origin', { origin: 'https://evil.example' }],
      ['no Origin', {}],
      ['the Origin of a sandboxed frame', { origin: 'null' }],
      ['our host on another port', { origin: 'http://127.0.0.1:1' }],
      ['our host by https', { origin: 'https://127.0.0.1' }],
      ['a host that only begins like ours', { origin: 'URL.evil.example' }],
      ['a Referer of ours', { referer: 'URL/docs' }],
      ['another site', { 'sec-fetch-site': 'cross-site' }],
      ['a sister site', { 'sec-fetch-site': 'same-site' }],
    ])('changes nothing by cookie: %s', async (_, headers) => {
      const filled = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, value.replace('URL', berth.url)]),
      );
      const problem = expectProblem(await makeKey({ ...(await session()), ...filled }), 403, 'csrf');
      expect(problem.detail).toContain(berth.url);
    });

    it('reads by cookie, which the browser then shows to nobody else', async () => {
      const answer = await me({ ...(await session()), origin: 'https://evil.example' });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    });

    it('does not get past with another verb', async () => {
      const headers = {
        ...(await session()),
        origin: 'https://evil.example',
        'x-http-method-override': 'GET',
      };
      expectProblem(await makeKey(headers), 403, 'csrf');
      expectProblem(await request(`${berth.url}/api/v1/session`, { method: 'DELETE', headers }), 403, 'csrf');
    });
  });

  it.each<Record<string, string>>([{ origin: 'URL' }, { 'sec-fetch-site': 'same-origin' }])(
    'from our own page changes things: %j',
    async (headers) => {
      const filled = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, value.replace('URL', berth.url)]),
      );
      expect((await makeKey({ ...(await session()), ...filled })).status).toBe(201);
    },
  );

  it('with an API key needs no Origin, nor does a cookie beside it matter', async () => {
    const key = { authorization: `Bearer ${apiKey}` };
    expect((await makeKey(key)).status).toBe(201);
    expect((await makeKey({ ...key, origin: 'https://evil.example' })).status).toBe(201);
    expect((await makeKey({ ...key, ...(await session()), origin: 'https://evil.example' })).status).toBe(
      201,
    );
  });
});

describe('guessing passwords', () => {
  let berth: TestApp;
  beforeAll(async () => {
    berth = await startTestApp();
    await setUp(berth);
  });
  afterAll(() => berth.close());

  it('is over after ten tries, also when they come at once, and also with the right one', async () => {
    const guesses = await Promise.all(
      Array.from({ length: 14 }, (_, at) => signIn(berth, EMAIL, `guess number ${at}`)),
    );
    const statuses = guesses.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(10).fill(401), ...Array<number>(4).fill(429)]);
    const refused = await signIn(berth);
    expectProblem(refused, 429, 'too-many-requests');
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(15 * 60);
  });

  it('counts addresses however they are written, and nobody’s as well', async () => {
    const spellings = Array.from({ length: 11 }, (_, at) =>
      at % 2 ? 'Nobody@Example.com' : ' nobody@example.com',
    );
    const answers = await Promise.all(spellings.map((email) => signIn(berth, email, 'x')));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(1);
  });

  it('does not keep others out', async () => {
    expectProblem(await signIn(berth, 'someone-else@example.com'), 401, 'sign-in-failed');
  });
});

describe('behind https', () => {
  it('the cookie is for https only, and browsers are told to stay with it', async () => {
    const berth = await startTestApp({ parts: { publicUrl: new PublicUrl(() => 'https://berth.example') } });
    try {
      await setUp(berth);
      const answer = await signIn(berth);
      expect(cookieOf(answer)).toMatchObject({ secure: true, httpOnly: true, sameSite: 'lax' });
      expect(answer.headers.get('strict-transport-security')).toMatch(/max-age=\d{7,}/);
      const headers = { cookie: `berth_session=${cookieOf(answer).value}` };
      const out = (origin: string) =>
        request(`${berth.url}/api/v1/session`, { method: 'DELETE', headers: { ...headers, origin } });
      expectProblem(await out(berth.url), 403, 'csrf');
      expect((await out('https://berth.example')).status).toBe(204);
    } finally {
      await berth.close();
    }
  });
});
