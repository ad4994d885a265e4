import { randomUUID } from 'node:crypto';
import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type {
  LinearIssue,
  LinearOrganization,
  LinearTeam,
  LinearUser,
} from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { API_KEY } from '../../../test/support/bench.js';
import { eventually } from '../../../test/support/eventually.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import { withClient } from '../../../test/support/tables.js';
import type { DeliveryView } from '../../contracts/index.js';
import { ExternalAccounts } from '../../identity/index.js';

let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let issue: LinearIssue;
let team: LinearTeam;
let app: TestApp;
let organization: TestOrganization;
let member: TestMember;
beforeAll(async () => {
  linear = await startLinearEmulator();
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear }) } });
  linear.webhooks.url = `${app.url}/webhooks/linear`;
});
beforeEach(async () => {
  linear.reset();
  acme = linear.addOrganization(`acme-${randomUUID().slice(0, 8)}`);
  acme.appUser.name = 'tryreplicas';
  organization = await app.founded(`acme-${randomUUID().slice(0, 8)}`);
  member = await app.member(organization, 'member');
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  // Whoever has the address at both systems is the same person, if both vouch for it.
  await sql('UPDATE "user" SET email_verified_at = now() WHERE id = $1', [member.userId]);
  ann = acme.addUser({ name: 'Ann Example', email: member.email.toUpperCase() });
  team = acme.addTeam('ENG');
  issue = acme.addIssue(team.id, { title: 'Checkout button has no label' });
  await connectLinear(app, organization, linear, acme);
  await map('acme/web');
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

const sql = <T>(text: string, values: unknown[] = []): Promise<T[]> =>
  withClient(app.database.ownerUrl, async (client) => (await client.query(text, values)).rows as T[]);

async function map(repository: string): Promise<void> {
  const { api } = organization.owner;
  await api.post(api.path('/mappings'), { linearTeamKey: 'ENG', repository }, 201);
}

async function deliveries(): Promise<DeliveryView[]> {
  const { api } = organization.owner;
  return (await api.get<{ items: DeliveryView[] }>(api.path('/deliveries?limit=100'))).body.items;
}
/** Waits until all that came was handled; outcomes in the order in which it came. */
async function outcomes(): Promise<(string | null)[]> {
  let all: DeliveryView[] = [];
  await eventually('everything is handled', async () => {
    all = await deliveries();
    return all.every(({ state }) => state === 'processed' || state === 'failed');
  });
  return all.map(({ outcome, error }) => outcome ?? error).reverse();
}
const replies = () =>
  sql<{ type: string; key: string }>(
    `SELECT content->'content'->>'type' AS type, key FROM reply WHERE organization_id = $1 ORDER BY id`,
    [organization.id],
  );

const said = (sessionId: string) => acme.activitiesOf(sessionId).map(({ content }) => content);
/** Signs of life that were given, whether they are shown still or not. */
const signs = (sessionId: string) =>
  linear.calls.filter(({ operation, variables, errors }) => {
    const isSign = [sessionId, 'Looking into it.'].every((part) => JSON.stringify(variables).includes(part));
    return isSign && operation === 'agentActivityCreate' && errors.length === 0;
  });

it('gives a first sign of life within seconds, and asks who is unknown to connect, them alone', async () => {
  const bob = acme.addUser({ name: 'Bob', email: 'bob@elsewhere.example' });
  const { session, delivery } = await linear.delegate(acme, issue, bob);
  expect(delivery.milliseconds).toBeLessThan(1000);
  expect(await outcomes()).toEqual(['awaiting-link']);
  await eventually('Bob is asked', () => said(session.id).some(({ type }) => type === 'elicitation'));
  expect(acme.activitiesOf(session.id)).toMatchObject([
    { content: { type: 'thought' } },
    { content: { type: 'elicitation' }, signal: 'auth', signalMetadata: { userId: bob.id } },
  ]);
});

it('asks who writes into a session and is unknown to connect, once, and goes on with what they wrote when they are', async () => {
  const { session } = await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['started']);
  const bob = acme.addUser({ name: 'Bob', email: 'bob@elsewhere.example' });
  await linear.prompt(acme, session, bob, 'and the cart page');
  await outcomes();
  await linear.prompt(acme, session, bob, 'and the tests');
  expect(await outcomes()).toEqual(['started', 'awaiting-link', 'awaiting-link']);
  await eventually('Bob is asked', () => said(session.id).some(({ type }) => type === 'elicitation'));
  const links = (await replies()).filter(({ type }) => type === 'connect');
  expect(links).toHaveLength(1);
  const turns = () =>
    sql<{ text: string; author_id: string }>(
      `SELECT text, author_id FROM message WHERE organization_id = $1 AND author_type = 'user' ORDER BY seq`,
      [organization.id],
    );
  expect(await turns()).toMatchObject([{ author_id: member.userId }]);
  const bobHere = await app.member(organization, 'member');
  await bobHere.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await app.parts.database.tenant(organization.id, (tenant) =>
    app.app.get(ExternalAccounts, { strict: false }).link(tenant, {
      userId: bobHere.userId,
      proof: 'authorization',
      person: {
        ...{ system: 'linear', externalId: bob.id, handle: null, name: 'Bob' },
        ...{ email: null, emailProven: false, isApp: false, isActive: true },
      },
    }),
  );
  expect(await outcomes()).toEqual(['started', 'continued', 'continued']);
  const [, ...later] = await turns();
  expect(later.map(({ author_id: by }) => by)).toEqual([bobHere.userId, bobHere.userId]);
  expect(later.map(({ text }) => text).sort()).toEqual([
    expect.stringContaining('and the cart page') as string,
    expect.stringContaining('and the tests') as string,
  ]);
  expect(await sql('SELECT 1 FROM workspace WHERE organization_id = $1', [organization.id])).toHaveLength(1);
});

it.each<[string, (who: LinearUser) => void, string]>([
  ['an app', (who) => Object.assign(who, { app: true }), 'refused-app'],
  ['who left', (who) => Object.assign(who, { active: false }), 'refused-inactive'],
  ['whom Linear does not know any more', (who) => acme.users.delete(who.id), 'awaiting-link'],
])('%s with a member’s address is not that member', async (_, change, outcome) => {
  const delegated = linear.delegate(acme, issue, ann);
  change(ann);
  await delegated;
  expect(await outcomes()).toEqual([outcome]);
});

it('does nothing for nobody, unless the organization lets automations use its credentials', async () => {
  await linear.delegate(acme, issue, null);
  expect(await outcomes()).toEqual(['refused-automation']);
});

it('gives a sign of life at once, and tries again what Linear was too tired for', async () => {
  linear.fail({ status: 500, match: { operation: 'user' } });
  const { session } = await linear.delegate(acme, issue, ann);
  await eventually('a sign of life', () => session.firstSignAt !== null);
  await eventually('it was asked', () => linear.requests.some(({ status }) => status === 500));
  await eventually('it was tried again', async () => (await deliveries())[0]?.state === 'processed');
  expect(await outcomes()).toEqual(['started']);
  await eventually('it works', () => acme.stateOf(issue).name === 'In Progress');
  expect(signs(session.id)).toHaveLength(1);
});

it('gives one sign of life for a beginning, also where what was written after it was done while that sign was on its way', async () => {
  linear.fail({ mode: 'hold-before', match: { operation: 'agentActivityCreate' } });
  const { session } = await linear.delegate(acme, issue, ann);
  await eventually('its sign is on its way', () => linear.waiting === 1);
  await linear.prompt(acme, session, ann, 'and the tests');
  await eventually('both are taken', async () => (await messages()).length === 2);
  await eventually('all of it is said', async () => (await waitingReplies()) === 0);
  linear.release();
  expect((await outcomes()).sort()).toEqual(['already-done', 'continued']);
  expect(signs(session.id)).toHaveLength(2);
});

it('goes on with the next token when Linear refuses the one that is there', async () => {
  linear.logins.book.revokeLiving();
  await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['started']);
  const renewed = linear.logins.calls.filter(({ outcome }) => outcome === 'renewed');
  expect(new Set(renewed.map(({ lineage }) => lineage)).size).toBe(renewed.length);
});

it('stops everything of an issue that is taken away, once, by whichever of two deliveries', async () => {
  const { session } = await linear.delegate(acme, issue, ann);
  await outcomes();
  await linear.undelegate(acme, issue, ann);
  await linear.undelegate(acme, issue, ann);
  // Of two at once either is first.
  const [first, ...ends] = await outcomes();
  expect(first).toBe('started');
  expect(ends.sort()).toEqual([expect.stringMatching(/^(already-done|stopped)$/), 'stopped']);
  await eventually('it is said', () =>
    said(session.id).some(({ body }) => /Stopped|nothing under way/.test(String(body))),
  );
  expect((await replies()).filter(({ type }) => type === 'stopped')).toHaveLength(1);
});

it.each<[string, () => Promise<unknown>]>([
  ['an issue that is taken away', () => linear.undelegate(acme, issue, ann)],
  ['a team that it does not see any more', () => linear.changeTeams(acme, [], [team.id])],
])('stops every session of %s', async (_, take) => {
  await linear.delegate(acme, issue, ann);
  await linear.mention(acme, issue, ann, '@tryreplicas and the tests');
  expect(await outcomes()).toEqual(['started', 'started']);
  await take();
  await outcomes();
  expect((await replies()).filter(({ type }) => type === 'stopped')).toHaveLength(2);
  expect(await sql('SELECT DISTINCT state FROM turn WHERE organization_id = $1', [organization.id])).toEqual([
    { state: 'canceled' },
  ]);
});

it('does not begin what was stopped before it was told of, whichever of them comes again', async () => {
  linear.webhooks.url = null;
  const { session, delivery } = await linear.delegate(acme, issue, ann);
  linear.webhooks.url = `${app.url}/webhooks/linear`;
  const stop = await linear.prompt(acme, session, ann, 'stop', 'stop');
  expect(await outcomes()).toEqual(['stopped']);
  await linear.webhooks.again(delivery.id);
  await linear.webhooks.again(stop.id);
  expect(await outcomes()).toEqual(['stopped', 'already-done']);
  expect(await sql('SELECT 1 FROM workspace WHERE organization_id = $1', [organization.id])).toEqual([]);
  await eventually('it is said', () => said(session.id).some(({ type }) => type === 'response'));
  expect((await replies()).map(({ type }) => type)).toEqual(['stopped']);
});

/** What is done where Linear does not reach Berth; answers what it would have told. */
async function untold<T>(act: () => Promise<T>): Promise<T> {
  const { url } = linear.webhooks;
  linear.webhooks.url = null;
  try {
    return await act();
  } finally {
    linear.webhooks.url = url;
  }
}
const messages = () =>
  sql<{ text: string; state: string }>(
    `SELECT split_part(m.text, E'\n', 1) AS text, t.state FROM message m JOIN turn t ON t.id = m.id
      WHERE m.organization_id = $1 ORDER BY m.seq`,
    [organization.id],
  );
const stateEvents = async (): Promise<unknown[]> =>
  (
    await sql<{ data: unknown }>(
      `SELECT data FROM event WHERE organization_id = $1 AND type = 'conversation.state' ORDER BY seq`,
      [organization.id],
    )
  ).map(({ data }) => data);

it('puts a stop and what was written in order by when they were, and not by when they are told', async () => {
  const { session, delivery } = await untold(() => linear.delegate(acme, issue, ann));
  const before = await untold(() => linear.prompt(acme, session, ann, 'before'));
  await linear.prompt(acme, session, ann, 'stop', 'stop');
  expect(await outcomes()).toEqual(['stopped']);
  await linear.webhooks.again(before.id);
  await linear.webhooks.again(delivery.id);
  expect(await outcomes()).toEqual(['stopped', 'stopped', 'already-done']);
  expect(await messages()).toEqual([]);
  await linear.prompt(acme, session, ann, 'after');
  expect((await outcomes()).at(-1)).toBe('started');
  // One that is told when there was written more ends what it meant, and that is all.
  const late = await untold(() => linear.prompt(acme, session, ann, 'stop', 'stop'));
  await outcomes();
  await linear.prompt(acme, session, ann, 'more');
  await outcomes();
  await linear.webhooks.again(late.id);
  expect((await outcomes()).slice(-2)).toEqual(['continued', 'stopped']);
  const [after, more] = await messages();
  expect([after?.state, more?.state]).toEqual(['canceled', 'queued']);
});

it('does not begin an issue that was taken away, told in whichever order', async () => {
  const { session, delivery } = await untold(() => linear.delegate(acme, issue, ann));
  await linear.undelegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['ignored-nothing-here']);
  await linear.webhooks.again(delivery.id);
  expect(await outcomes()).toEqual(['ignored-nothing-here', 'stopped']);
  expect(await messages()).toEqual([]);
  expect(session.firstSignAt).toBeNull();
  expect(issue.delegateId).toBeNull();
  // Given anew it is another session.
  await linear.delegate(acme, issue, ann);
  expect((await outcomes()).at(-1)).toBe('started');
  await linear.undelegate(acme, issue, ann);
  expect((await outcomes()).at(-1)).toBe('stopped');
  await eventually('all of it is said', async () => (await waitingReplies()) === 0);
  expect((await messages()).map(({ state }) => state)).toEqual(['canceled']);
  // What is said of the beginning does not take it back.
  expect(issue.delegateId).toBeNull();
});

const waitingReplies = async (): Promise<number> =>
  (await sql(`SELECT 1 FROM reply WHERE organization_id = $1 AND state = 'waiting'`, [organization.id]))
    .length;

it('pauses what was asked when an admin disconnects it, says why, and goes on when it is connected again', async () => {
  const { session } = await linear.delegate(acme, issue, ann);
  await outcomes();
  await eventually('it is begun', async () => (await waitingReplies()) === 0);
  const { api } = organization.owner;
  const path = api.path('/integrations/linear');
  const both = await Promise.all([1, 2].map(() => api.call('DELETE', path)));
  expect(both.map(({ status }) => status).sort()).toEqual([204, 409]);
  const reason = 'Linear was disconnected from Berth.';
  await eventually('its workspace knows', async () => (await stateEvents()).length > 0);
  expect(await stateEvents()).toEqual([{ state: 'closed', reason, url: expect.any(String) as string }]);
  expect(await messages()).toMatchObject([{ state: 'canceled' }]);
  // Nobody is told now, and nobody is heard.
  await linear.prompt(acme, session, ann, 'are you there?');
  expect(await outcomes()).toEqual(['started']);
  expect(await waitingReplies()).toBe(1);

  const admin = [...acme.users.values()].find((user) => user.admin);
  if (admin) linear.signIn(acme, admin);
  const { url } = (await api.call<{ url: string }>('POST', `${path}/connect`, undefined, 201)).body;
  expect((await fetch(url, { headers: { accept: 'text/html' } })).status).toBe(200);
  await eventually('its workspace knows', async () => (await stateEvents()).length > 1);
  expect((await stateEvents()).at(-1)).toMatchObject({ state: 'open' });
  await eventually('it is said', () =>
    said(session.id).some(({ body }) => String(body).includes(`Stopped: ${reason}`)),
  );
  await linear.prompt(acme, session, ann, 'go on');
  expect((await outcomes()).at(-1)).toBe('continued');
});

it('forgets its login when the app is removed there, and closes what it talked in', async () => {
  await linear.delegate(acme, issue, ann);
  await outcomes();
  await linear.removeApp(acme);
  expect(await outcomes()).toEqual(['started', 'disconnected']);
  expect(
    await sql('SELECT 1 FROM credential WHERE organization_id = $1 AND kind = $2', [
      organization.id,
      'linear_app',
    ]),
  ).toEqual([]);
  expect(
    await sql('SELECT state, state_reason FROM conversation WHERE organization_id = $1', [organization.id]),
  ).toEqual([{ state: 'closed', state_reason: 'Berth was removed from Linear.' }]);
  await eventually('its workspace knows', async () => (await stateEvents()).length > 0);
  expect(await messages()).toMatchObject([{ state: 'canceled' }]);
  await eventually('nothing waits to be said', async () => (await waitingReplies()) === 0);
  expect(
    await sql('SELECT state FROM reply WHERE organization_id = $1 AND key LIKE $2', [
      organization.id,
      'end/%',
    ]),
  ).toEqual([{ state: 'dropped' }]);
  // Told once more, it is nobody's.
  await linear.webhooks.send({ ...linear.webhooks.revoked(acme) });
  expect(await outcomes()).toEqual(['started', 'disconnected']);
});

it('begins the issue, and links the workspace', async () => {
  const { session } = await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['started']);
  await eventually('it is begun', () => acme.stateOf(issue).name === 'In Progress');
  expect(session.externalUrls).toMatchObject([{ label: 'Workspace' }]);
  expect(said(session.id)).toMatchObject([
    { body: 'Looking into it.' },
    { type: 'thought', body: `Working on acme/web with claude, as ${member.name}.` },
  ]);
});

it('asks which repository, the likeliest first, and goes on with the answer', async () => {
  await map('acme/app');
  acme.suggestions.set(issue.id, [{ repository: 'acme/app', confidence: 0.9 }]);
  const { session } = await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['repository-asked']);
  await eventually('it is asked', () => said(session.id).some(({ type }) => type === 'elicitation'));
  expect(acme.activitiesOf(session.id)).toMatchObject([
    { content: { type: 'thought' } },
    { signal: 'select', signalMetadata: { options: [{ value: 'acme/app' }, { value: 'acme/web' }] } },
  ]);
  await linear.prompt(acme, session, ann, 'acme/app');
  expect(await outcomes()).toEqual(['repository-asked', 'repository-chosen']);
  expect(await sql('SELECT repository FROM workspace WHERE organization_id = $1', [organization.id])).toEqual(
    [{ repository: expect.stringContaining('acme/app') as string }],
  );
});

it('says that the team is mapped to no repository', async () => {
  await sql('DELETE FROM mapping');
  await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['no-mapping']);
});
