import { inspect } from 'node:util';
import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type { LinearOrganization } from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { watchRows, writtenWith } from '../../../test/support/row-watch.js';
import { withClient } from '../../../test/support/tables.js';
import { tieGithub } from '../../../test/support/connections.js';
import type { Integrations, LinearIntegration } from '../../contracts/index.js';
import { AppTokens } from '../../credentials/index.js';

const log: string[] = [];
const keep = (fields: object, message: string): void =>
  void log.push(inspect(fields, { depth: 10 }) + message);

let linear: LinearEmulator;
let acme: LinearOrganization;
let app: TestApp;
let organization: TestOrganization;
beforeAll(async () => {
  linear = await startLinearEmulator();
  app = await startTestApp({
    worker: true,
    log: { debug: keep, info: keep, warn: keep, error: keep },
    parts: { loginEndpoints: loginEndpoints({ linear }) },
  });
  await watchRows(app.database.ownerUrl, ['public', 'bullmq']);
});
beforeEach(async () => {
  linear.reset();
  const name = `acme-${linear.organizations.size}`;
  acme = linear.addOrganization(name);
  signIn(acme);
  organization = await app.founded(name);
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

function signIn(of: LinearOrganization): void {
  const admin = [...of.users.values()].find((user) => user.admin);
  if (admin) linear.signIn(of, admin);
}

const path = (rest = '', of = organization): string => of.owner.api.path(`/integrations/linear${rest}`);
async function link(of = organization): Promise<string> {
  const { body } = await of.owner.api.call<{ url: string }>('POST', path('/connect', of), undefined, 201);
  return body.url;
}
/** As a browser goes, there and back. */
async function open(url: string, more: { cookie?: string } = {}): Promise<{ status: number; text: string }> {
  const there = await fetch(url, { redirect: 'manual' });
  expect(there.status).toBe(302);
  return back(there.headers.get('location') ?? '', more);
}
async function back(location: string, headers: Record<string, string> = {}) {
  const answer = await fetch(location, { headers: { accept: 'text/html', ...headers } });
  return { status: answer.status, text: await answer.text() };
}
const shown = async (of = organization): Promise<LinearIntegration> =>
  (await of.owner.api.get<LinearIntegration>(path('', of))).body;
const token = (of = organization) => app.app.get(AppTokens, { strict: false }).token(of.id, 'linear_app');

it('connects an organization: the app’s own login, by state alone, known by the Linear organization’s id', async () => {
  expect(await shown()).toMatchObject({
    isConfigured: true,
    connection: null,
    redirectUrl: `${app.url}/oauth/linear/callback`,
  });
  const url = new URL(await link());
  expect(url.searchParams.get('actor')).toBe('app');
  expect(url.searchParams.get('scope')).toBe('read,write,app:assignable,app:mentionable');
  const page = await open(url.href);
  expect(page).toMatchObject({ status: 200 });
  expect(page.text).toContain('Linear is connected');
  expect((await shown()).connection).toMatchObject({
    linearOrganization: { id: acme.id, urlKey: acme.urlKey },
    appUser: { id: acme.appUser.id },
    status: 'active',
    connectedBy: { id: organization.owner.userId },
  });
  const { token: access } = await token();
  expect(linear.logins.grantOf(access.reveal())).toMatchObject({ organizationId: acme.id, actor: 'app' });
  const audit = JSON.stringify(
    (await organization.owner.api.get(organization.owner.api.path('/audit'))).body,
  );
  expect(audit).toContain('integration.connected');
  expect(audit + page.text).not.toContain(access.reveal());
});

it('is shown at a glance, beside GitHub', async () => {
  const { api } = organization.owner;
  const glance = async () => (await api.get<Integrations>(api.path('/integrations'))).body;
  expect(await glance()).toEqual({
    github: { connected: false, installations: [] },
    linear: { connected: false, organization: null, scopes: [] },
  });
  await open(await link());
  await tieGithub(app.database.ownerUrl, organization.id, String(Date.now()));
  expect(await glance()).toMatchObject({
    github: { connected: true, installations: [{ account: 'acme', suspended: false }] },
    linear: {
      connected: true,
      organization: { id: acme.id },
      scopes: expect.arrayContaining(['write']) as string[],
    },
  });
});

it('takes a way back once, and none that it did not begin', async () => {
  const there = await fetch(await link(), { redirect: 'manual' });
  const location = there.headers.get('location') ?? '';
  const answers = await Promise.all([back(location), back(location)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect(linear.logins.count('exchanged')).toBe(1);
  expect((await back(`${app.url}/oauth/linear/callback?state=other&code=x`)).status).toBe(409);
  expect((await back(`${app.url}/oauth/linear/callback`)).status).toBe(409);
});

it('says when a person said no, or Linear did', async () => {
  linear.logins.isDeclined = true;
  const declined = await open(await link());
  expect(declined).toMatchObject({ status: 409 });
  expect(declined.text).toContain('told no');
  linear.logins.isDeclined = false;
  const state = new URL(await link()).searchParams.get('state') ?? '';
  expect((await back(`${app.url}/oauth/linear/callback?state=${state}&code=none`)).status).toBe(409);
  expect((await shown()).connection).toBeNull();
});

it('takes no login without the scopes, and ends one that it does not take', async () => {
  linear.logins.grantedScopes = ['read'];
  const page = await open(await link());
  expect(page.status).toBe(409);
  expect(page.text).toContain('did not grant write');
  expect((await shown()).connection).toBeNull();
  expect(linear.logins.living(acme.id)).toBe(0);
});

it('ties a Linear organization to one organization alone', async () => {
  await open(await link());
  const other = await app.founded(`other-${organization.slug}`);
  const page = await open(await link(other));
  expect(page.status).toBe(409);
  expect(page.text).toContain('connected to another organization');
  expect(page.text).not.toContain(organization.slug);
  expect((await shown(other)).connection).toBeNull();
  // The one that is connected goes on.
  expect(linear.logins.grantOf((await token()).token.reveal())).not.toBeNull();
});

it('ties only one of two that come at once', async () => {
  const other = await app.founded(`twin-${organization.slug}`);
  const pages = await Promise.all([open(await link()), open(await link(other))]);
  expect(pages.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect(linear.logins.living(acme.id)).toBe(1);
});

it('is connected again to the same, and to no other before it is disconnected', async () => {
  await open(await link());
  const first = await token();
  expect((await open(await link())).status).toBe(200);
  expect((await token()).token.reveal()).not.toBe(first.token.reveal());
  const second = linear.addOrganization(`second-${organization.slug}`);
  signIn(second);
  const page = await open(await link());
  expect(page.status).toBe(409);
  expect(page.text).toContain('Disconnect that first');
});

it('is disconnected: its login ended there, and forgotten here', async () => {
  await open(await link());
  const { token: access } = await token();
  await organization.owner.api.call('DELETE', path(), undefined, 204);
  expect(linear.logins.book.stateOf(access.reveal())?.state).toBe('ended');
  expect((await shown()).connection).toBeNull();
  await expect(token()).rejects.toMatchObject({ code: 'not-connected' });
  await organization.owner.api.call('DELETE', path(), undefined, 409);
});

it('is for admins', async () => {
  const { api } = await app.member(organization, 'member');
  await api.call('POST', api.path('/integrations/linear/connect'), undefined, 403);
  await api.call('DELETE', api.path('/integrations/linear'), undefined, 403);
  await api.get(api.path('/integrations/linear'));
});

it('is not finished by who is no admin any more', async () => {
  const there = await fetch(await link(), { redirect: 'manual' });
  await withClient(app.database.ownerUrl, (client) =>
    client.query(`UPDATE member SET role = 'member' WHERE user_id = $1`, [organization.owner.userId]),
  );
  expect((await back(there.headers.get('location') ?? '')).status).toBe(403);
  expect(linear.logins.count('exchanged')).toBe(0);
});

it('says who can mend it where this Berth has no app at Linear', async () => {
  const { linear: endpoints } = app.parts.loginEndpoints;
  const known = endpoints.app;
  endpoints.app = null;
  try {
    expect((await shown()).isConfigured).toBe(false);
    await organization.owner.api.call('POST', path('/connect'), undefined, 409);
  } finally {
    endpoints.app = known;
  }
});

// Last: over all that was done above.
it('leaves no secret in the log or in any row that was ever written', async () => {
  await open(await link());
  linear.fail({ status: 400, body: { error: 'invalid_grant' }, match: { grant: 'authorization_code' } });
  await open(await link());
  const { clientSecret, webhookSecret } = linear.app;
  const issued = linear.logins.book.lineages.flatMap(({ id }) => linear.logins.book.tokensOf(id));
  expect(issued.length).toBeGreaterThan(10);
  const said = log.join('\n');
  for (const secret of [clientSecret, webhookSecret, ...issued]) {
    expect(said).not.toContain(secret);
    expect(await writtenWith(app.database.ownerUrl, '%', secret)).toBe(0);
  }
  // It would find what is there.
  expect(await writtenWith(app.database.ownerUrl, 'public.linear_connection', acme.id)).toBeGreaterThan(0);
});
