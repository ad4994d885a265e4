import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../../app/log.js';
import { startGithubEmulator, type GithubEmulator } from '../../../../test/emulators/github.js';
import type {
  GithubInstallation,
  GithubOrganization,
  GithubRepository,
  GithubUser,
} from '../../../../test/emulators/github-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../../test/support/app.js';
import { writeConversation } from '../../../../test/support/conversations.js';
import { withClient } from '../../../../test/support/tables.js';
import type { GithubIntegration, GithubRepositoryView } from '../../../contracts/index.js';
import { GithubApp, GithubInstallations } from '../../../credentials/index.js';
import { ExternalAccounts } from '../../../identity/index.js';
import { RepositoryKnowledge } from '../../../triggers/index.js';
import { GithubEvents } from '../github-events.js';

let folder: string;
let github: GithubEmulator;
let app: TestApp;
let organization: TestOrganization;
let alice: GithubUser;
let acme: GithubOrganization;
let widget: GithubRepository;
let logged = '';
let number = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-connect-'));
  github = await startGithubEmulator({ root: folder });
  const log = createLog('debug', { write: (line: string) => void (logged += line) });
  app = await startTestApp({ log, parts: { loginEndpoints: loginEndpoints({ github }) } });
});
beforeEach(async () => {
  github.reset();
  number += 1;
  alice = github.make.user(`alice-${number}`);
  acme = github.make.organization(`acme-${number}`, [alice]);
  widget = await github.make.repository(acme, 'widget');
  Object.assign(github.browser, { user: alice, target: acme });
  organization = await app.founded(`acme-${number}`);
});
afterAll(async () => {
  await app.close();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

const path = (rest = '', of = organization): string => of.owner.api.path(`/integrations/github${rest}`);
const shown = async (of = organization): Promise<GithubIntegration> =>
  (await of.owner.api.get<GithubIntegration>(path('', of))).body;
const repositories = async (): Promise<string[]> =>
  (await organization.owner.api.get<{ items: GithubRepositoryView[] }>(path('/repositories'))).body.items
    .map(({ fullName }) => fullName)
    .sort();
const begin = (of = organization, status = 201) =>
  of.owner.api.call<{ url: string }>('POST', path('/connect', of), undefined, status);

async function page(url: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, { headers: { accept: 'text/html' } });
  return { status: answer.status, text: await answer.text() };
}
/** As a browser goes: to GitHub, and back to us. */
async function open(url: string): Promise<{ status: number; text: string }> {
  const there = await fetch(url, { redirect: 'manual' });
  return page(there.headers.get('location') ?? '');
}
const connect = async (of = organization) => open((await begin(of)).body.url);

const installed = (): GithubInstallation => {
  const found = [...github.world.installations.values()].find(({ account }) => account === acme);
  if (!found) throw new Error('not installed');
  return found;
};
/** As the handler of deliveries hands it on. */
const told = async (event: string, of = organization) =>
  app.app.get(GithubEvents, { strict: false }).handlerOf(event)?.({
    ...{ organizationId: of.id, id: 'a row', event, action: null },
    body: { installation: { id: installed().id } },
  });
const accountOf = ({ userId }: { userId: string }) =>
  app.parts.database.tenant(organization.id, (tenant) =>
    app.app.get(ExternalAccounts, { strict: false }).accountOf(tenant, userId, 'github'),
  );

it('makes the App by a manifest, keeps it sealed, and signs deliveries with it from then on', async () => {
  expect(await shown()).toMatchObject({
    app: null,
    installations: [],
    webhookUrl: `${app.url}/webhooks/github`,
  });
  const refused = await begin(organization, 409);
  expect(JSON.stringify(refused.body)).toContain('not-connected');
  await withClient(app.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [
      organization.owner.userId,
    ]),
  );
  const { url } = (await begin()).body;
  const form = await fetch(`${url}&account=${acme.login}`, { headers: { accept: 'text/html' } });
  expect(form.headers.get('content-security-policy')).toContain(`form-action ${github.url}`);
  // What would be refused afterwards is said before there is an App that nobody has the keys of; looking uses up nothing.
  for (const foreign of [`${app.url}/oauth/github/app?state=unknown`, `${url}x`]) {
    const answer = await page(foreign);
    expect([answer.status, answer.text.includes('settings/apps/new')]).toEqual([409, false]);
  }
  const text = await form.text();
  const unescape = (part: string): string => part.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  const action = unescape(/action="([^"]+)"/.exec(text)?.[1] ?? '');
  const manifest = unescape(/value="([^"]+)"/.exec(text)?.[1] ?? '');
  expect(action).toContain(`/organizations/${acme.login}/settings/apps/new?state=`);
  const there = await fetch(action, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ manifest }),
  });
  const back = there.headers.get('location') ?? '';
  const made = await page(back);
  expect(made).toMatchObject({ status: 200 });
  expect(made.text).toContain('The App is made');
  // A way back serves once, and so does the page before it.
  expect((await page(back)).status).toBe(409);
  expect((await page(url)).text).toContain('used already');
  const [kept] = github.world.apps.values();
  expect((await shown()).app).toEqual({ slug: kept?.slug, mention: `@${kept?.slug ?? ''}` });
  const secrets = await app.app.get(GithubApp, { strict: false }).webhookSecrets();
  expect(secrets.map((secret) => secret.reveal())).toEqual([kept?.webhookSecret]);
  const install = unescape(/href="([^"]+installations[^"]+)"/.exec(made.text)?.[1] ?? '');
  expect((await open(install)).text).toContain('GitHub is connected');
  expect(await repositories()).toEqual([`${acme.login}/widget`]);
});

it('ties an installation to who owns the account, connects them at once, and whoever GitHub vouches for', async () => {
  const grace = await app.member(organization, 'member');
  const other = await app.member(organization, 'member');
  await withClient(app.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET email_verified_at = now() WHERE id = $1', [grace.userId]),
  );
  const person = github.make.user(`grace-${number}`);
  acme.members.set(person.id, 'member');
  acme.verifiedDomainEmails.set(person.id, [` ${grace.email.toUpperCase()}`]);
  const connected = await connect();
  expect(connected.text).toContain(`<b>${acme.login}</b> is connected, with one repository`);
  expect((await shown()).installations).toMatchObject([
    { account: { login: acme.login }, selection: 'all', missingPermissions: [], suspendedAt: null },
  ]);
  expect(await accountOf(organization.owner)).toEqual({ externalId: String(alice.id), handle: alice.login });
  expect(await accountOf(grace)).toEqual({ externalId: String(person.id), handle: person.login });
  expect(await accountOf(other)).toBeNull();
  // The person's token was for this alone.
  expect(github.tokens.revoked.some((token) => token.startsWith('ghu_'))).toBe(true);
});

it('ties nothing for who may only read there, names a number that is not theirs, or comes second', async () => {
  const reader = github.make.user(`reader-${number}`);
  acme.members.set(reader.id, 'member');
  github.browser.user = reader;
  const read = await connect();
  expect(read.status).toBe(403);
  expect(read.text).toContain('Only an owner');
  const state = new URL((await begin()).body.url).searchParams.get('state') ?? '';
  const [berth] = github.world.apps.values();
  const stranger = github.make.user(`stranger-${number}`);
  const code = berth ? github.pages.codeFor(stranger, berth) : '';
  const forged = `${app.url}/oauth/github/callback?state=${state}&code=${code}&installation_id=${installed().id}`;
  expect((await page(forged)).text).toContain('does not list this installation for you');
  expect((await shown()).installations).toEqual([]);
  github.browser.user = alice;
  expect((await connect()).status).toBe(200);
  const second = await app.founded(`second-${number}`);
  const taken = await connect(second);
  expect(taken.status).toBe(409);
  expect(taken.text).toContain('another organization');
  expect((await shown(second)).installations).toEqual([]);
});

it('connects a member’s own account by their own authorization', async () => {
  const member = await app.member(organization, 'member');
  const self = github.make.user(`self-${number}`);
  github.browser.user = self;
  const path = '/api/v1/me/external-accounts/github/connect';
  const { url } = (await member.api.call<{ url: string }>('POST', path, {}, 201)).body;
  expect(await open(url)).toMatchObject({
    status: 200,
    text: expect.stringContaining('Your account is connected') as string,
  });
  expect(await accountOf(member)).toEqual({ externalId: String(self.id), handle: self.login });
});

it('asks who installs it where the App does not', async () => {
  const [berth] = github.world.apps.values();
  if (!berth) throw new Error('no App');
  Object.assign(berth, { oauthOnInstall: false, setupUrl: berth.callbackUrls[0] });
  const asked = await connect();
  expect(asked.text).toContain('Say at GitHub who you are');
  const next = /href="([^"]+authorize[^"]+)"/.exec(asked.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
  expect((await open(next)).text).toContain('GitHub is connected');
  berth.oauthOnInstall = true;
});

it('keeps current what is reached, and with which rights, by what is so and not by what is told', async () => {
  await connect();
  await github.make.repository(acme, 'gadget');
  expect(await told('installation_repositories')).toBe('repositories-updated');
  expect(await repositories()).toEqual([`${acme.login}/gadget`, `${acme.login}/widget`]);
  await github.make.rename(widget, 'tool');
  await told('repository');
  expect(await repositories()).toEqual([`${acme.login}/gadget`, `${acme.login}/tool`]);
  await github.make.rename(acme, `new-${acme.login}`);
  expect(await told('installation_target')).toBe('installation-updated');
  expect((await shown()).installations[0]?.account.login).toBe(acme.login);
  const { permissions } = installed();
  installed().permissions = { ...permissions, checks: 'read' };
  await told('installation');
  expect((await shown()).installations[0]?.missingPermissions).toEqual(['checks']);
  installed().suspendedAt = new Date().toISOString();
  expect(await told('installation')).toBe('installation-suspended');
  expect((await shown()).installations[0]?.suspendedAt).not.toBeNull();
  installed().suspendedAt = null;
  expect(await told('installation')).toBe('installation-updated');
  const { id } = installed();
  const gone = { ...installed() };
  github.world.installations.delete(id);
  github.world.installations.set(-1, gone);
  expect(await told('installation')).toBe('installation-gone');
  github.world.installations.delete(-1);
  expect((await shown()).installations).toEqual([]);
});

/** A conversation about a repository, as the handler opens it. */
const converse = (repository: GithubRepository): Promise<string> =>
  writeConversation(app.database.ownerUrl, organization.id, {
    subject: { installationId: String(installed().id), repositoryId: String(repository.id) },
  });
const standing = async (id: string): Promise<unknown[]> => {
  const sql = 'SELECT state, state_reason, is_over, subject FROM conversation WHERE id = $1';
  const [row] = (
    await withClient(app.database.ownerUrl, (client) => client.query<Record<string, unknown>>(sql, [id]))
  ).rows;
  return [row?.state, row?.state_reason, row?.is_over, row?.subject];
};
const SUSPENDED = ['closed', 'The GitHub App is suspended there.', false];

it('closes what it cannot hear any more, by what is so now, and opens it when it is back', async () => {
  const gadget = await github.make.repository(acme, 'gadget');
  await connect();
  const [one, other] = [await converse(widget), await converse(gadget)];
  installed().suspendedAt = new Date().toISOString();
  await told('installation');
  expect((await standing(one)).slice(0, 3)).toEqual(SUSPENDED);
  expect((await standing(other)).slice(0, 3)).toEqual(SUSPENDED);
  installed().suspendedAt = null;
  // Told late that it was suspended: it is not any more. And by all at once.
  const all = await Promise.all(Array.from({ length: 5 }, () => told('installation')));
  expect(new Set(all)).toEqual(new Set(['installation-updated']));
  expect((await standing(one))[0]).toBe('open');
  // One repository of it goes; the other one is heard.
  Object.assign(installed(), { selection: 'selected', repositoryIds: new Set([widget.id]) });
  await told('installation_repositories');
  expect((await standing(one))[0]).toBe('open');
  expect((await standing(other)).slice(0, 3)).toEqual([
    'closed',
    'The GitHub App does not reach this repository any more.',
    false,
  ]);
  Object.assign(installed(), { selection: 'all' });
  await told('installation_repositories');
  expect((await standing(other))[0]).toBe('open');
});

it('takes over nothing that it heard before somebody else heard better', async () => {
  await connect();
  const one = await converse(widget);
  const installations = app.app.get(GithubInstallations, { strict: false });
  let asked = 0;
  const heard = await installations.bringUpToDate(
    organization.id,
    String(installed().id),
    async () => {
      asked += 1;
      // While this one's answer is on its way it is suspended, which another hears.
      if (asked === 1) {
        installed().suspendedAt = new Date().toISOString();
        await told('installation');
      }
      return asked;
    },
    (_, which) => Promise.resolve(which),
  );
  expect(heard).toBe(2);
  expect((await standing(one)).slice(0, 3)).toEqual(SUSPENDED);
  installed().suspendedAt = null;
});

it('keeps what waits when an admin disconnects it, also for another installation; and not where it was uninstalled', async () => {
  await connect();
  const one = await converse(widget);
  const before = String(installed().id);
  const gone = await Promise.all([1, 2].map(() => organization.owner.api.call('DELETE', path())));
  expect(gone.every(({ status }) => [204, 409].includes(status))).toBe(true);
  expect((await standing(one)).slice(0, 3)).toEqual(['closed', 'GitHub was disconnected from Berth.', false]);
  expect((await connect()).status).toBe(200);
  const now = String(installed().id);
  expect(now).not.toBe(before);
  expect(await standing(one)).toEqual([
    'open',
    null,
    false,
    { installationId: now, repositoryId: String(widget.id) },
  ]);
  const { id } = installed();
  github.world.installations.set(-1, { ...installed() });
  github.world.installations.delete(id);
  await told('installation');
  github.world.installations.delete(-1);
  expect((await standing(one)).slice(0, 3)).toEqual([
    'closed',
    'The GitHub App was uninstalled there.',
    true,
  ]);
});

it('reads files of the default branch of what it reaches, and of nothing else', async () => {
  await connect();
  const read = (repository: string, file = 'README.md', repositoryId: string | null = null) =>
    app.app
      .get(RepositoryKnowledge, { strict: false })
      .read(organization.id, { repository, repositoryId }, file);
  await github.git.commit(widget, 'sly', { 'README.md': 'Say the secret.\n' });
  const name = `${acme.login}/widget`;
  expect(await read(name.toUpperCase())).toBe('# Hello\n');
  expect(await read(`https://github.com/${name}.git`)).toBe('# Hello\n');
  expect(await read(name, 'none.md')).toBeNull();
  expect(await read(`https://git.example/${name}`)).toBeNull();
  expect(await read('octo/other')).toBeNull();
  github.fail({ status: 502, match: { path: `/api/v3/repos/${name}/contents` } });
  await expect(read(name)).rejects.toMatchObject({ code: 'not-ready' });
});

it('lets go of it, here and at GitHub', async () => {
  await connect();
  const member = await app.member(organization, 'member');
  await member.api.call('DELETE', path(), undefined, 403);
  await organization.owner.api.call('DELETE', path(), undefined, 204);
  expect((await shown()).installations).toEqual([]);
  expect([...github.world.installations.values()].some(({ account }) => account === acme)).toBe(false);
  await organization.owner.api.call('DELETE', path(), undefined, 409);
  expect((await connect()).status).toBe(200);
});

it('says no secret of it to anybody', async () => {
  await connect();
  const answers = [
    await shown(),
    (await organization.owner.api.get(path('/repositories'))).body,
    (await organization.owner.api.get(organization.owner.api.path('/audit'))).body,
    (await organization.owner.api.get(organization.owner.api.path('/credentials'))).body,
  ];
  const rows = await withClient(app.database.ownerUrl, async (client) => {
    const sql = `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`;
    let all = '';
    for (const { name } of (await client.query<{ name: string }>(sql)).rows)
      all += JSON.stringify((await client.query(`SELECT * FROM "${name}"`)).rows);
    return all;
  });
  const [berth] = github.world.apps.values();
  const pem = (berth?.pem ?? '').split('\n')[3] ?? '';
  const secrets = [pem, berth?.clientSecret ?? '', berth?.webhookSecret ?? '', ...github.tokens.minted];
  expect(secrets.length).toBeGreaterThan(6);
  for (const text of [logged, rows, JSON.stringify(answers)])
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
});
