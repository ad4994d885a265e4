import type { Answered, Api } from '../../test/support/api.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { request, requestJson } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { rowCounts, withClient } from '../../test/support/tables.js';
import { FakeClock } from '../kernel/index.js';

interface Invited {
  id: string;
  url: string;
  expiresAt: string;
}
interface Accepted {
  user: { id: string; name: string; email: string };
  organization: { id: string; slug: string };
  apiKey: string;
}

const PASSWORD = 'correct horse battery';
const DAY_MS = 24 * 3600 * 1000;

let berth: TestApp;
let clock: FakeClock;
let acme: TestOrganization;
let other: TestOrganization;
beforeAll(async () => {
  clock = new FakeClock();
  berth = await startTestApp({ clock });
  [acme, other] = [await berth.founded('acme'), await berth.founded('other')];
});
afterAll(() => berth.close());

let people = 0;
const newAddress = (): string => `person-${++people}@example.com`;
const tokenOf = ({ url }: Invited): string => new URL(url).searchParams.get('token') ?? '';

async function invite(email: string, role = 'member', api: Api = acme.owner.api): Promise<Invited> {
  return (await api.post<Invited>(api.path('/invitations'), { email, role }, 201)).body;
}

/** Accepts, as a newcomer unless it says otherwise. */
function accept(
  token: string,
  change: object = {},
  headers: Record<string, string> = {},
): Promise<Answered<Accepted>> {
  const body = { token, name: 'Grace Hopper', password: PASSWORD, ...change };
  return requestJson<Accepted>(`${berth.url}/api/v1/invitations/accept`, 'POST', body, headers);
}

/** A person with an account and a password, who is in no organization of this test but the one named. */
async function account(organization: TestOrganization): Promise<Accepted> {
  const { body, status } = await accept(
    tokenOf(await invite(newAddress(), 'member', organization.owner.api)),
  );
  expect(status).toBe(201);
  return body;
}

async function passwordHash(email: string): Promise<unknown> {
  const { rows } = await withClient(berth.database.ownerUrl, (client) =>
    client.query<{ password_hash: string }>('SELECT password_hash FROM "user" WHERE email = $1', [email]),
  );
  return rows[0]?.password_hash;
}

describe('an invitation', () => {
  it('makes a member of who opens its link, with a verified address and a key', async () => {
    const invited = await invite(' Grace@Example.COM ', 'admin');
    expect(invited.url).toMatch(new RegExp(`^${berth.url}/invitations/accept\\?token=[A-Za-z0-9_-]{43}$`));
    expect(Date.parse(invited.expiresAt) - clock.now().getTime()).toBe(7 * DAY_MS);
    const { status, body } = await accept(tokenOf(invited));
    expect(status).toBe(201);
    expect(body).toMatchObject({
      user: { name: 'Grace Hopper', email: 'grace@example.com', instanceAdministrator: false },
      organization: { id: acme.id, slug: 'acme' },
    });
    const me = await berth.api(body.apiKey).get('/api/v1/me');
    expect(me.body).toMatchObject({
      user: { email: 'grace@example.com' },
      organizations: [{ slug: 'acme', role: 'admin' }],
    });
    await requestJson(`${berth.url}/api/v1/session`, 'POST', {
      email: 'GRACE@example.com',
      password: PASSWORD,
    }).then(({ status }) => expect(status).toBe(200));
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query(`SELECT email_verified_at, instance_administrator FROM "user" WHERE email = $1`, [
        'grace@example.com',
      ]),
    );
    expect(rows).toEqual([{ email_verified_at: clock.now(), instance_administrator: false }]);
  });

  it('is kept as a hash, and its link is shown once', async () => {
    const invited = await invite(newAddress());
    const token = tokenOf(invited);
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query('SELECT * FROM invitation WHERE id = $1', [invited.id]),
    );
    expect(JSON.stringify(rows)).not.toContain(token.slice(0, 12));
    const list = await acme.owner.api.get<{ items: { id: string; email: string }[] }>(
      acme.owner.api.path('/invitations?limit=100'),
    );
    expect(list.body.items.map(({ id }) => id)).toContain(invited.id);
    expect(JSON.stringify(list.body)).not.toContain(token.slice(0, 12));
  });

  it('is good for one: of many at once exactly one becomes a member', async () => {
    for (let round = 0; round < 5; round++) {
      const token = tokenOf(await invite(newAddress()));
      const before = await rowCounts(berth.database.ownerUrl);
      const answers = await Promise.all(Array.from({ length: 10 }, () => accept(token)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(410)]);
      const after = await rowCounts(berth.database.ownerUrl);
      for (const table of ['user', 'member', 'api_key']) expect(after[table]).toBe((before[table] ?? 0) + 1);
    }
  });

  it('is over once it was used, revoked, replaced or too old, and says which', async () => {
    const used = await invite(newAddress());
    await accept(tokenOf(used));
    expect(expectProblem(await accept(tokenOf(used)), 410, 'invitation-over').detail).toContain('accepted');

    const revoked = await invite(newAddress());
    const path = acme.owner.api.path(`/invitations/${revoked.id}`);
    await acme.owner.api.call('DELETE', path, undefined, 204);
    expectProblem(await acme.owner.api.call('DELETE', path), 404, 'not-found');
    expect(expectProblem(await accept(tokenOf(revoked)), 410, 'invitation-over').detail).toContain('taken');

    const email = newAddress();
    const replaced = await invite(email);
    const current = await invite(email);
    expectProblem(await accept(tokenOf(replaced)), 410, 'invitation-over');
    expect((await accept(tokenOf(current))).status).toBe(201);

    const old = await invite(newAddress());
    clock.advance(7 * DAY_MS);
    expect(expectProblem(await accept(tokenOf(old)), 410, 'invitation-over').detail).toContain('expired on');
  });

  it('of one address stands once, however many are made at a time', async () => {
    const email = newAddress();
    const made = await Promise.all(Array.from({ length: 6 }, () => invite(email)));
    const answers = await Promise.all(made.map((one) => accept(tokenOf(one))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 410)).toHaveLength(5);
  });

  it('is refused for whoever is a member already', async () => {
    const member = await account(acme);
    const path = acme.owner.api.path('/invitations');
    const again = { email: member.user.email.toUpperCase(), role: 'member' };
    expectProblem(await acme.owner.api.call('POST', path, again), 409, 'already-member');
  });

  it.each<[string, object, string[]]>([
    ['no name', { name: undefined }, ['body.name']],
    ['no password', { password: undefined }, ['body.password']],
    ['neither', { name: undefined, password: undefined }, ['body.name', 'body.password']],
    ['a short password', { password: 'short' }, ['body.password']],
    ['a role of their choice', { role: 'owner' }, ['body.role']],
    ['another address', { email: 'else@example.com' }, ['body.email']],
    ['rights over the instance', { instanceAdministrator: true }, ['body.instanceAdministrator']],
  ])('is not used up by %s', async (_, change, paths) => {
    const token = tokenOf(await invite(newAddress()));
    const problem = expectProblem(await accept(token, change), 422, 'validation-failed');
    expect(problem.errors?.map(({ path }) => path)).toEqual(paths);
    expect((await accept(token)).status).toBe(201);
  });
});

describe('who has an account already', () => {
  it('joins by their password, which stays, and so does their name', async () => {
    const person = await account(other);
    const before = await passwordHash(person.user.email);
    const token = tokenOf(await invite(person.user.email.toUpperCase()));
    const { status, body } = await accept(token, { name: 'Mallory' });
    expect(status).toBe(201);
    expect(body.user).toEqual(person.user);
    expect(body.organization.slug).toBe('acme');
    expect(await passwordHash(person.user.email)).toBe(before);
  });

  it('is not taken over by inviting their address', async () => {
    const person = await account(other);
    const before = await passwordHash(person.user.email);
    const token = tokenOf(await invite(person.user.email));
    expectProblem(await accept(token, { password: 'another long password' }), 401, 'sign-in-failed');
    expect(await passwordHash(person.user.email)).toBe(before);
    // The link is still theirs.
    expect((await accept(token)).status).toBe(201);
  });

  it('is guarded against guessing as at sign-in', async () => {
    const person = await account(other);
    const token = tokenOf(await invite(person.user.email));
    const tries = await Promise.all(
      Array.from({ length: 12 }, (_, at) => accept(token, { password: `wrong password ${at}` })),
    );
    expect(tries.map(({ status }) => status).sort()).toEqual([...Array<number>(10).fill(401), 429, 429]);
    expect(tries.find(({ status }) => status === 429)?.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  it('joins by an API key or a session, without a password', async () => {
    const person = await account(other);
    const token = tokenOf(await invite(person.user.email));
    const body = { name: undefined, password: undefined };
    const bearer = { authorization: `Bearer ${person.apiKey}` };
    expectProblem(await accept(token, body, { authorization: 'Bearer berth_no' }), 401, 'unauthenticated');
    expect((await accept(token, body, bearer)).body.user.id).toBe(person.user.id);

    const second = await account(other);
    const signedIn = await requestJson(`${berth.url}/api/v1/session`, 'POST', {
      email: second.user.email,
      password: PASSWORD,
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const link = tokenOf(await invite(second.user.email));
    expectProblem(await accept(link, body, { cookie }), 403, 'csrf');
    expectProblem(await accept(link, body, { cookie, origin: 'https://evil.example' }), 403, 'csrf');
    const joined = await accept(link, body, { cookie, origin: berth.url });
    expect([joined.status, joined.body.user.id]).toEqual([201, second.user.id]);
  });

  it('does not join while signed in as somebody else', async () => {
    const person = await account(other);
    const token = tokenOf(await invite(newAddress()));
    const answer = await accept(token, {}, { authorization: `Bearer ${person.apiKey}` });
    expectProblem(answer, 403, 'forbidden');
    expect((await accept(token)).status).toBe(201);
  });

  it('is invited with the same answer as who has none', async () => {
    const person = await account(other);
    const shape = async (email: string) => {
      const api = acme.owner.api;
      const { status, body, headers } = await api.call<Invited>('POST', api.path('/invitations'), {
        email,
        role: 'member',
      });
      return { status, keys: Object.keys(body), length: headers.get('content-length') };
    };
    expect(await shape(person.user.email)).toEqual(await shape(newAddress()));
  });

  it('is one person, also when two organizations make the account at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const email = newAddress();
      const links = await Promise.all([invite(email), invite(email, 'member', other.owner.api)]);
      const answers = await Promise.all(links.map((link) => accept(tokenOf(link))));
      expect(answers.map(({ status }) => status)).toEqual([201, 201]);
      expect(answers[0]?.body.user.id).toBe(answers[1]?.body.user.id);
    }
  });
});

describe('roles', () => {
  it.each<[string, string, number]>([
    ['admin', 'owner', 403],
    ['admin', 'admin', 201],
    ['owner', 'owner', 201],
    ['member', 'member', 403],
  ])('%s inviting %s: %i', async (by, role, status) => {
    const { api } = await berth.member(acme, by as 'owner');
    expect((await api.call('POST', api.path('/invitations'), { email: newAddress(), role })).status).toBe(
      status,
    );
  });

  it('taken from who invited end the invitations they could not make any more', async () => {
    const owner = await berth.member(acme, 'owner');
    const [asOwner, asMember] = [
      await invite(newAddress(), 'owner', owner.api),
      await invite(newAddress(), 'member', owner.api),
    ];
    await acme.owner.api.call(
      'PATCH',
      acme.owner.api.path(`/members/${owner.userId}`),
      { role: 'admin' },
      200,
    );
    expectProblem(await accept(tokenOf(asOwner)), 410, 'invitation-over');
    const other = await invite(newAddress(), 'member', owner.api);
    expect((await accept(tokenOf(asMember))).status).toBe(201);
    await acme.owner.api.call('DELETE', acme.owner.api.path(`/members/${owner.userId}`), undefined, 204);
    expectProblem(await accept(tokenOf(other)), 410, 'invitation-over');
  });
});

describe('the page of the link', () => {
  it('tells how to accept, keeps the token to itself, and cannot be made to show more', async () => {
    const page = (query: string) => request<string>(`${berth.url}/invitations/accept${query}`);
    const token = tokenOf(await invite(newAddress()));
    const answer = await page(`?token=${token}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toContain(token);
    const hostile = await page(`?token=${encodeURIComponent(`"><script>alert(1)</script>`)}`);
    expect(hostile.body).not.toContain('<script');
    // It asks nobody whether the token is good.
    const unknown = await page('?token=nobody-has-this-token');
    expect(unknown.status).toBe(200);
    expect(unknown.body.replaceAll('nobody-has-this-token', '')).toBe(answer.body.replaceAll(token, ''));
    expectProblem(await page(`?token=${'x'.repeat(201)}`), 422, 'validation-failed');
  });
});

// Last, since the strategies of signing in are the process's: a second app takes them from the first.
describe('a wrong token', () => {
  it('is told so, and many of them are refused', async () => {
    const fresh = await startTestApp();
    try {
      const guess = (at: number) =>
        requestJson(`${fresh.url}/api/v1/invitations/accept`, 'POST', {
          token: `wrong-${at}`,
          name: 'Mallory',
          password: PASSWORD,
        });
      expectProblem(await guess(0), 403, 'invitation-invalid');
      const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => guess(at + 1)));
      expect(answers.filter(({ status }) => status === 403)).toHaveLength(49);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(11);
    } finally {
      await fresh.close();
    }
  });
});
