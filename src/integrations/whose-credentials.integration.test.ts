import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'pg';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startGithubGround, type GithubGround } from '../../test/emulators/github-ground.js';
import type { GithubUser } from '../../test/emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../../test/emulators/linear.js';
import type { LinearOrganization, LinearSession, LinearUser } from '../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { tieAccount } from '../../test/support/connections.js';
import { eventually } from '../../test/support/eventually.js';
import { connectLinear } from '../../test/support/linear-connection.js';
import { machinesOf, type TestProxy, type TestRunner } from '../../test/support/machines.js';
import { deliver, fromGithub } from '../../test/support/webhooks.js';
import { GithubInstallations } from '../credentials/index.js';
import { silentLog } from '../kernel/index.js';
import { send } from '../proxy/testing/http.js';
import { Workspaces } from '../proxy/workspaces.js';

/** By whose credentials work is done that was asked for at Linear and GitHub: seen at the model, at git's lease and at the author of commits, through the real proxy. */

const PLACEHOLDER = 'placeholder-of-this-test';

let anthropic: AnthropicEmulator;
let ground: GithubGround;
let linear: LinearEmulator;
let acme: LinearOrganization;
let app: TestApp;
/** One connection for all looks: they are many. */
let database: Pool;
let organization: TestOrganization;
let proxies: Workspaces;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'berth-whose-'));
  anthropic = await startAnthropicEmulator();
  linear = await startLinearEmulator();
  ground = await startGithubGround();
  const { github } = ground;
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear, github }) } });
  // Asked by several at once, which one connection does not take.
  database = new Pool({ connectionString: app.database.ownerUrl });
  linear.webhooks.url = `${app.url}/webhooks/linear`;
  proxies = new Workspaces({
    internalUrl: app.url,
    anthropicUrl: anthropic.url,
    openaiUrl: anthropic.url,
    chatgptUrl: anthropic.url,
    bedrockUrl: anthropic.url,
    bedrockModels: {},
    log: silentLog,
    limits: { notYetSeconds: 0.02, firstRetrySeconds: 0.02 },
  });
  app.runtime.forget = (credentialId) => proxies.forget(credentialId);
  organization = await app.founded('acme');
  acme = linear.addOrganization('acme');
  acme.addTeam('ENG');
  await connectLinear(app, organization, linear, acme);
  await tieInstallation();
  const { api } = organization.owner;
  await api.post(api.path('/mappings'), { linearTeamKey: 'ENG', repository: 'acme/web' }, 201);
});
afterAll(async () => {
  await proxies.closeAll();
  await database.end();
  await app.close();
  await Promise.all([anthropic.close(), linear.close(), ground.close()]);
  await rm(folder, { recursive: true, force: true });
});

const sql = <T = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<T[]> =>
  database.query(text, values).then(({ rows }) => rows as T[]);

/** As though an admin had connected it. */
async function tieInstallation(): Promise<void> {
  const { installation, widget } = ground;
  const { owner, id: organizationId } = organization;
  const { userId, name, email, role, apiKeyId } = owner;
  const via = { type: 'api-key', id: apiKeyId, organizationId } as const;
  await app.app.get(GithubInstallations, { strict: false }).tie(
    { organizationId, userId, name, email, role, via },
    {
      installationId: String(installation.id),
      accountId: String(installation.account.id),
      accountLogin: 'acme',
      accountType: 'Organization',
      selection: installation.selection,
      permissions: installation.permissions,
      suspendedAt: null,
    },
    [
      {
        ...{ repositoryId: String(widget.id), fullName: 'acme/widget', defaultBranch: 'main' },
        ...{ private: true, archived: false },
      },
    ],
    () => Promise.resolve(),
  );
}

/** A member with keys of their own: by them one sees whose work it is. */
interface Person extends TestMember {
  key: string;
  gitToken: string;
}

async function person(name: string, email: string): Promise<Person> {
  const member = await app.member(organization, 'member');
  const key = `sk-ant-api03-${name}-${'x'.repeat(30)}`;
  const gitToken = `ghp_${name.padEnd(36, '0')}`;
  anthropic.accept(key);
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: key });
  await member.api.setCredential('user', 'git_token', { host: 'github.com', token: gitToken });
  await move(member, email);
  await sql('UPDATE "user" SET name = $2 WHERE id = $1', [member.userId, name]);
  return { ...member, name, email, key, gitToken };
}

const move = ({ userId }: TestMember, email: string): Promise<unknown> =>
  sql('UPDATE "user" SET email = $2, email_verified_at = now() WHERE id = $1', [userId, email]);

/** What became of a delivery, by the id under which it was sent. */
async function outcomeOf(deliveryId: string): Promise<{ outcome: string; workspaceId: string }> {
  let found = { outcome: '', workspaceId: '' };
  await eventually('it is handled', async () => {
    const [row] = await sql<{ outcome: string | null; workspace_id: string | null }>(
      `SELECT outcome, workspace_id FROM delivery WHERE delivery_id = $1 AND state = 'processed'`,
      [deliveryId],
    );
    found = { outcome: row?.outcome ?? '', workspaceId: row?.workspace_id ?? '' };
    return row !== undefined;
  });
  return found;
}

async function delegates(
  user: LinearUser,
): Promise<{ outcome: string; workspaceId: string; session: LinearSession }> {
  const [team] = acme.teams.values();
  const issue = acme.addIssue(team?.id ?? '', { title: 'A button' });
  const { session, delivery } = await linear.delegate(acme, issue, user);
  return { ...(await outcomeOf(delivery.id)), session };
}

const writes = async (session: LinearSession, user: LinearUser, text: string): Promise<string> =>
  (await outcomeOf((await linear.prompt(acme, session, user, text)).id)).outcome;

/** Mentions the bot on a pull request of their own. */
async function mentions(user: GithubUser): Promise<{ outcome: string; workspaceId: string }> {
  const { github, widget, alice, app: githubApp } = ground;
  ground.now = new Date();
  const { number } = await github.make.pull(widget, alice, { head: `feature-${widget.nextNumber}` });
  const comment = github.make.comment(widget, number, user, '@berth-acme rename it');
  const id = randomUUID();
  const body = github.events.issueComment(widget, comment);
  await deliver(app.url, fromGithub(githubApp.webhookSecret ?? '', 'issue_comment', body, id));
  return outcomeOf(id);
}

interface Machines {
  runner: TestRunner;
  proxy: TestProxy;
  socketPath: string;
}
const played = new Map<string, Machines>();

/** The machines of a workspace: its runner and what else asks as its proxy are played, and the model is called through a real proxy. */
async function machines(workspaceId: string): Promise<Machines> {
  const known = played.get(workspaceId);
  if (known) return known;
  const { runner, proxy } = await machinesOf(app, workspaceId);
  await runner.start();
  const socketPath = path.join(folder, String(played.size));
  await proxies.open({
    type: 'open',
    requestId: workspaceId,
    workspaceId,
    socketPath,
    placeholder: PLACEHOLDER,
    proxyToken: proxy.token,
    git: null,
  });
  const made = { runner, proxy, socketPath };
  played.set(workspaceId, made);
  return made;
}

/** As an agent does. Answers the status. */
async function callModel(socketPath: string): Promise<number> {
  const headers = {
    authorization: `Bearer ${PLACEHOLDER}`,
    'anthropic-version': '2023-06-01',
    'content-type': 'application/json',
  };
  const messages = [{ role: 'user', content: 'hello' }];
  const body = JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 10, messages });
  return (await send(socketPath, { path: '/anthropic/v1/messages', headers, body })).status;
}

async function gitTokenOf(proxy: TestProxy): Promise<string> {
  const { status, body } = await proxy.tryLease('git');
  if (status !== 200) return (body as unknown as { code: string }).code;
  return 'token' in body.secret ? body.secret.token : body.secret.kind;
}

/** Plays the next turn of a workspace, and tells with what it was done. It ends where another one is to follow. */
async function done(
  workspaceId: string,
  isFollowed = false,
): Promise<{ key: string; git: string; author: string }> {
  const { runner, proxy, socketPath } = await machines(workspaceId);
  const turn = await runner.claim(10);
  const before = anthropic.requests.length;
  expect(await callModel(socketPath)).toBe(200);
  const keys = anthropic.requests.slice(before).map(({ credential }) => credential.value);
  const git = await gitTokenOf(proxy);
  if (isFollowed) {
    const items = runner.number(runner.finished(turn));
    await eventually('the turn ends', async () => (await runner.send(items)).body.acknowledged === runner.n);
  }
  return { key: keys.join(), git, author: turn.author.name };
}

const own = ({ key, gitToken, name }: Person) => ({ key, git: gitToken, author: name });

describe('what was asked at Linear', () => {
  it('by an address that two members have, but for its letters, is done by nobody’s', async () => {
    await person('sam', 'same@case.example');
    await person('sue', 'Same@case.example');
    const before = anthropic.requests.length;
    const { outcome, workspaceId } = await delegates(acme.addUser({ email: 'SAME@case.example' }));
    expect([outcome, workspaceId]).toEqual(['awaiting-link', '']);
    expect(anthropic.requests.length).toBe(before);
  });

  it('by who is known is done by their own, whoever has their old address here or there', async () => {
    const faye = await person('faye', 'faye@case.example');
    const there = acme.addUser({ email: 'faye@case.example' });
    expect(await done((await delegates(there)).workspaceId)).toEqual(own(faye));
    // She has another address, and her old one is a newcomer's.
    await move(faye, 'faye@new.example');
    const heir = await person('heir', 'faye@case.example');
    expect(await done((await delegates(there)).workspaceId)).toEqual(own(faye));
    expect(await done((await delegates(acme.addUser({ email: 'Faye@case.example' }))).workspaceId)).toEqual(
      own(heir),
    );
    // She takes somebody else's address there: she stays who she is.
    there.email = heir.email;
    expect(await done((await delegates(there)).workspaceId)).toEqual(own(faye));
  });

  it('in one session is done by the credentials of whoever wrote it, one after the other', async () => {
    const ann = await person('ann', 'ann@case.example');
    const bob = await person('bob', 'bob@case.example');
    const [annThere, bobThere] = [ann, bob].map(({ email }) => acme.addUser({ email }));
    const carlThere = acme.addUser({ email: 'carl@elsewhere.example' });
    if (!annThere || !bobThere) throw new Error('nobody is there');
    const { workspaceId, session } = await delegates(annThere);
    expect(await done(workspaceId, true)).toEqual(own(ann));
    expect(await writes(session, bobThere, 'and the tests')).toBe('continued');
    expect(await done(workspaceId, true)).toEqual(own(bob));
    // Whose owner she is counts for nothing: nobody's turn is done by hers but her own.
    expect(await writes(session, carlThere, 'print what you know')).toBe('awaiting-link');
    expect((await (await machines(workspaceId)).runner.tryClaim()).status).toBe(204);
    expect(await writes(session, annThere, 'and the docs')).toBe('continued');
    expect(await done(workspaceId, true)).toEqual(own(ann));
    const carl = await person('carl', 'carl@case.example');
    await tieAccount(
      app.database.ownerUrl,
      { organizationId: organization.id, userId: carl.userId },
      { externalId: carlThere.id },
    );
    expect(await writes(session, carlThere, 'now me')).toBe('continued');
    expect(await done(workspaceId)).toEqual(own(carl));
  });

  it('by who was removed a minute ago is done by nobody’s, the turn under way neither', async () => {
    const gone = await person('gone', 'gone@case.example');
    const there = acme.addUser({ email: gone.email });
    const { workspaceId, session } = await delegates(there);
    const { runner, proxy, socketPath } = await machines(workspaceId);
    await runner.claim(10);
    expect(await callModel(socketPath)).toBe(200);
    const { api } = organization.owner;
    await api.call('DELETE', api.path(`/members/${gone.userId}`), undefined, 204);
    const before = anthropic.requests.length;
    await eventually('the proxy has forgotten it', async () => (await callModel(socketPath)) !== 200);
    const after = anthropic.requests.length;
    expect(await callModel(socketPath)).not.toBe(200);
    expect(anthropic.requests.length).toBe(after);
    expect(after - before).toBeLessThanOrEqual(1);
    // Their workspaces stop, and with them go the tokens of their machines.
    expect(await gitTokenOf(proxy)).toMatch(/^(forbidden|unauthenticated)$/);
    expect(await writes(session, there, 'go on')).toBe('awaiting-link');
    expect((await delegates(there)).outcome).toBe('awaiting-link');
  });
});

describe('what was asked at GitHub', () => {
  const writer = (login: string): GithubUser => {
    const user = ground.github.make.user(login);
    ground.widget.collaborators.set(user.id, 'write');
    return user;
  };
  const linked = async (name: string): Promise<{ member: Person; user: GithubUser }> => {
    const member = await person(name, `${name}@case.example`);
    const user = writer(name);
    const who = { organizationId: organization.id, userId: member.userId };
    await tieAccount(app.database.ownerUrl, who, { system: 'github', externalId: String(user.id) });
    await sql('UPDATE external_account SET handle = $2 WHERE external_id = $1', [String(user.id), name]);
    return { member, user };
  };

  it('under a name that was another’s is done by nobody’s; by who had it, under any name, by their own', async () => {
    const { member: gail, user } = await linked('gail');
    user.login = 'gail-new';
    const thief = writer('gail');
    const before = anthropic.requests.length;
    expect((await mentions(thief)).outcome).toMatch(/^refused-/);
    const { workspaceId } = await mentions(user);
    const { git, ...rest } = await done(workspaceId);
    expect(rest).toEqual({ key: gail.key, author: 'gail' });
    // Of the App, for this repository alone, and nobody's own.
    expect([git, ground.github.tokens.holder(git)]).toMatchObject([
      expect.stringMatching(/^ghs_/),
      {
        by: 'installation',
        repositoryIds: new Set([ground.widget.id]),
      },
    ]);
    expect((await mentions(thief)).outcome).toBe('awaiting-link');
    expect(anthropic.requests.length).toBe(before + 1);
  });

  it('by who was removed a minute ago is done by nobody’s', async () => {
    const { member, user } = await linked('hal');
    const { api } = organization.owner;
    await api.call('DELETE', api.path(`/members/${member.userId}`), undefined, 204);
    expect((await mentions(user)).outcome).toBe('awaiting-link');
  });
});
