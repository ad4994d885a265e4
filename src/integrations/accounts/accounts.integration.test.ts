import { get } from 'node:http';
import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type { LinearOrganization } from '../../../test/emulators/linear-world.js';
import { tieLinear } from '../../../test/support/connections.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { withClient } from '../../../test/support/tables.js';
import type { ExternalAccountView } from '../../contracts/index.js';
import { ExternalAccounts, SignInService, type ExternalPerson } from '../../identity/index.js';

let linear: LinearEmulator;
let there: LinearOrganization;
let berth: TestApp;
let acme: TestOrganization;
const lines: string[] = [];
beforeAll(async () => {
  linear = await startLinearEmulator();
  const log = (...parts: unknown[]): number => lines.push(JSON.stringify(parts));
  berth = await startTestApp({
    parts: { loginEndpoints: loginEndpoints({ linear }) },
    log: { debug: log, info: log, warn: log, error: log, fatal: log, child: () => log } as never,
  });
  there = linear.addOrganization('acme');
  acme = await berth.founded('acme');
  await tieLinear(berth.database.ownerUrl, acme.id, there.id);
});
afterAll(async () => {
  await berth.close();
  await linear.close();
});

const mine = '/api/v1/me/external-accounts';
const listed = async ({ api }: TestMember): Promise<ExternalAccountView[]> =>
  (await api.get<{ items: ExternalAccountView[] }>(mine)).body.items;
const begin = async ({ api }: TestMember, body?: object): Promise<string> =>
  (await api.post<{ url: string }>(`${mine}/linear/connect`, body, 201)).body.url;
const newUser = (email: string, of = there) => of.addUser({ name: email.split('@')[0] ?? '', email });

/** As a browser goes, there and back. */
async function open(url: string, cookie = ''): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, { redirect: 'manual' });
  return page(answer.headers.get('location') ?? '', cookie);
}
async function page(url: string, cookie = ''): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, { headers: { accept: 'text/html', ...(cookie ? { cookie } : {}) } });
  return { status: answer.status, text: await answer.text() };
}
/** As a browser says itself from where it was sent; `fetch` says so for itself. */
function sent(url: string, from: 'cross-site' | 'same-origin', cookie = ''): Promise<string> {
  const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': from, ...(cookie ? { cookie } : {}) };
  return new Promise((resolve, reject) => {
    get(url, { headers }, (answer) => {
      let text = '';
      answer.on('data', (part: Buffer) => (text += part.toString()));
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
async function cookieOf({ userId: id, name }: TestMember): Promise<string> {
  const { token } = await berth.app.get(SignInService, { strict: false }).openSession({ id, name }, null);
  return `berth_session=${token}`;
}
async function personalLink(person: Partial<ExternalPerson>): Promise<string> {
  const who = {
    ...{ system: 'linear' as const, externalId: 'nobody', handle: null, name: null, email: null },
    ...{ emailProven: false, isApp: false, isActive: true, ...person },
  };
  const accounts = berth.app.get(ExternalAccounts, { strict: false });
  const link = await berth.parts.database.tenant(acme.id, (tenant) => accounts.personalLink(tenant, who));
  return link?.url ?? '';
}

it('a member connects their account by proving at Linear who they are, and disconnects it', async () => {
  const member = await berth.member(acme, 'member');
  const ann = newUser('ann@elsewhere.example');
  linear.signIn(there, ann);
  const url = new URL(await begin(member));
  expect(url.searchParams.get('actor')).toBe('user');
  expect(url.searchParams.get('scope')).toBe('read');
  expect(await open(url.href)).toMatchObject({
    status: 200,
    text: expect.stringContaining('is connected') as string,
  });
  const account = { system: 'linear', externalId: ann.id, proof: 'authorization', organizationId: acme.id };
  expect(await listed(member)).toEqual([expect.objectContaining(account)]);
  expect(await listed(acme.owner)).toEqual([]);
  await member.api.call('DELETE', `${mine}?system=github`, undefined, 404);
  await member.api.call('DELETE', `${mine}?system=linear&organization=acme`, undefined, 204);
  expect(await listed(member)).toEqual([]);
  // And again, since they want it.
  await open(await begin(member));
  expect(await listed(member)).toHaveLength(1);
});

it('nothing of the way there serves twice, late, for somebody else, or in another Linear organization', async () => {
  const [member, other] = [await berth.member(acme, 'member'), await berth.member(acme, 'member')];
  linear.signIn(there, newUser('bob@elsewhere.example'));
  const back = async (url: string): Promise<string> =>
    (await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '';
  const first = await back(await begin(member));
  expect(await page(first, await cookieOf(other))).toMatchObject({ status: 409 });
  expect(await page(first)).toMatchObject({ status: 200 });
  const again = await page(first);
  expect(again).toMatchObject({ status: 409 });
  expect(again.text).toContain('used already');
  expect((await page(`${berth.url}/oauth/linear/callback?state=made-up&code=x`)).status).toBe(409);
  // The same account is not another member's.
  const taken = await open(await begin(other));
  expect(taken).toMatchObject({ status: 409 });
  expect(taken.text).toContain('another member');
  const elsewhere = linear.addOrganization('elsewhere');
  linear.signIn(elsewhere, newUser('bob@elsewhere.example', elsewhere));
  const wrong = await open(await begin(other));
  expect(wrong.text).toContain('That is');
  expect(await listed(other)).toEqual([]);
});

it('a personal link says for whom it is, leads its person through, and nobody else', async () => {
  const member = await berth.member(acme, 'member');
  const carl = newUser('carl@elsewhere.example');
  const url = await personalLink({ externalId: carl.id, handle: '<b>carl</b>' });
  const stranger = await page(url);
  expect(stranger.status).toBe(200);
  expect(stranger.text).toContain('&lt;b&gt;carl&lt;/b&gt;');
  expect(stranger.text).toContain('id="sign-in"');
  expect(stranger.text).not.toContain('/oauth/authorize');
  const foreign = await berth.founded('foreign');
  expect((await page(url, await cookieOf(foreign.owner))).text).toContain('no member of');

  const cookie = await cookieOf(member);
  const way = async (): Promise<string> => {
    const { text } = await page(url, cookie);
    return (/href="([^"]*oauth\/authorize[^"]*)"/.exec(text)?.[1] ?? '').replaceAll('&amp;', '&');
  };
  linear.signIn(there, newUser('mallory@elsewhere.example'));
  const other = await open(await way(), cookie);
  expect(other).toMatchObject({ status: 409 });
  expect(other.text).toContain('this link is for');
  expect(await listed(member)).toEqual([]);
  linear.signIn(there, carl);
  expect(await open(await way(), cookie)).toMatchObject({ status: 200 });
  expect(await listed(member)).toMatchObject([{ externalId: carl.id }]);
  // It was good for once.
  expect(await page(url)).toMatchObject({ status: 410, text: expect.stringContaining('was used') as string });
  expect((await page(`${berth.url}/connect/linear/made-up`)).status).toBe(403);
  expect((await page(url.replace('linear', 'github'))).status).toBe(403);
  // What opens it is written nowhere.
  expect(lines.join('\n')).toContain('/connect/{system}/{token}');
  expect(lines.join('\n')).not.toContain(url.split('/').at(-1));
});

it('who is in several organizations says in which', async () => {
  const second = await berth.founded('second');
  const { userId } = acme.owner;
  await withClient(berth.database.ownerUrl, (client) =>
    client.query(
      `INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, 'member', now())`,
      [second.id, userId],
    ),
  );
  const cookie = await cookieOf(acme.owner);
  const connect = (body: object) =>
    fetch(`${berth.url}${mine}/linear/connect`, {
      method: 'POST',
      headers: { cookie, origin: berth.url, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  expect((await connect({})).status).toBe(422);
  expect((await connect({ organization: 'second' })).status).toBe(201);
  expect((await connect({ organization: 'foreign' })).status).toBe(404);
  // A key is of one.
  expect(await begin(acme.owner)).toContain('/oauth/authorize');
});

it('says that Linear did not say who came, and connects nothing', async () => {
  const member = await berth.member(acme, 'member');
  linear.signIn(there, newUser('dora@elsewhere.example'));
  linear.fail({ status: 503, match: { operation: 'viewer' } });
  const { status, text } = await open(await begin(member));
  expect(status).toBe(409);
  expect(text).toContain('Linear answered with status 503. Nothing was connected; begin again.');
  expect(await listed(member)).toEqual([]);
});

it('asks in a browser where nobody is signed in: who follows somebody else’s link would prove themselves for them', async () => {
  const mallory = await berth.member(acme, 'member');
  const ann = await berth.member(acme, 'member');
  linear.signIn(there, newUser('victim@elsewhere.example'));
  const sentBack = await fetch(await begin(mallory), { redirect: 'manual' });
  const back = sentBack.headers.get('location') ?? '';
  const asked = await sent(back, 'cross-site');
  expect(asked).toContain('Did you begin this?');
  expect(asked).toContain(mallory.email);
  expect(await listed(mallory)).toEqual([]);
  expect(await sent(back, 'cross-site', await cookieOf(ann))).toContain('Somebody else began this');
  // Its own link brings the same request from here, and nothing was used up.
  const [, href = ''] = /<a href="([^"]+)">Go on</.exec(asked) ?? [];
  const url = new URL(href.replaceAll('&amp;', '&'), berth.url).href;
  expect(url).toBe(back);
  expect(await sent(url, 'same-origin')).toContain('Your account is connected');
  expect(await listed(mallory)).toHaveLength(1);
  // What is over is said to be, and not asked about.
  expect(await sent(back, 'cross-site')).toContain('used already');
});

it('asks nothing of who began it, signed in', async () => {
  const ann = await berth.member(acme, 'member');
  linear.signIn(there, newUser('carol@elsewhere.example'));
  const sentBack = await fetch(await begin(ann), { redirect: 'manual' });
  const said = await sent(sentBack.headers.get('location') ?? '', 'cross-site', await cookieOf(ann));
  expect(said).toContain('Your account is connected');
});
