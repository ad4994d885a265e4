import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type { LinearIssue, LinearOrganization, LinearUser } from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { eventually } from '../../../test/support/eventually.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import { withClient } from '../../../test/support/tables.js';
import type { DeliveryView } from '../../contracts/index.js';

const FIXTURES = join(process.cwd(), 'test', 'fixtures', 'linear');
const IDS = {
  organization: 'a194ff23-bdd4-4b0f-85d1-179010f56da9',
  appUser: '25caa59c-1d99-4324-8de7-5a736c7f2ef3',
  ann: '301f7847-46dc-4d6b-8199-35c832cbb2ad',
  team: '021c0787-e9d5-4bcf-868d-288130ed435e',
  issue: 'abe10d58-df74-44a8-8e5b-fc30dbfc1ec6',
};

let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let issue: LinearIssue;
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
  // Of the fixtures, so that each can be delivered as it is; a new one each time.
  await forgetConnections();
  acme = linear.addOrganization('example-shared', { id: IDS.organization, appUserId: IDS.appUser });
  acme.appUser.name = 'tryreplicas';
  organization = await app.founded(`acme-${randomUUID().slice(0, 8)}`);
  member = await app.member(organization, 'member');
  await member.api.setCredential('user', 'anthropic_api_key', {
    apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
  });
  // Whoever has the address at both systems is the same person, if both vouch for it.
  await sql('UPDATE "user" SET email_verified_at = now() WHERE id = $1', [member.userId]);
  ann = acme.addUser({ id: IDS.ann, name: 'Ann Example', email: member.email.toUpperCase() });
  acme.addTeam('ENG', 'Engineering', IDS.team);
  issue = acme.addIssue(IDS.team, { id: IDS.issue, title: 'Checkout button has no label' });
  await connectLinear(app, organization, linear, acme);
  await map('acme/web');
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

const sql = <T>(text: string, values: unknown[] = []): Promise<T[]> =>
  withClient(app.database.ownerUrl, async (client) => (await client.query(text, values)).rows as T[]);
async function forgetConnections(): Promise<void> {
  await sql('DELETE FROM linear_connection');
  await sql('DELETE FROM delivery');
}

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

type Payload = Record<string, unknown>;
const fixture = (name: string): Payload =>
  JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as Payload;

/** What comes of each webhook of the fixtures. */
const EXPECTED: [string, string][] = [
  ['agent-session-event.created.delegation.constructed', 'started'],
  ['agent-session-event.prompted.constructed', 'continued'],
  ['agent-session-event.prompted.stop.constructed', 'stopped'],
  ['agent-session-event.created.mention.constructed', 'started'],
  ['issue.update.assignee-set.constructed', 'ignored-issue'],
  ['issue.update.delegate-set.constructed', 'ignored-issue'],
  ['permission-change.constructed', 'team-access-changed'],
  ['oauth-app.revoked.constructed', 'ignored-still-connected'],
];

it.each(['in order', 'in reverse'])(
  'every fixture twice, %s: each outcome by its name, and once',
  async (order) => {
    const sent = order === 'in order' ? EXPECTED : EXPECTED.toReversed();
    for (const [name] of sent) {
      const delivery = await linear.webhooks.send(fixture(name));
      expect(delivery.status).toBe(200);
      await linear.webhooks.again(delivery.id);
      await outcomes();
    }
    // What was written into a session takes its beginning with it, which is then known when it comes.
    const late: Record<string, string> = {
      // A session that was stopped before it was told of does not begin; what is written there then does.
      'in reverse 1': 'started',
      'in reverse 0': 'already-done',
    };
    const expected = sent.map((one) => late[`${order} ${EXPECTED.indexOf(one)}`] ?? one[1]);
    expect(await outcomes()).toEqual(expected);
    expect(linear.webhooks.deliveries.every(({ status }) => status === 200)).toBe(true);
    const said = await replies();
    expect(new Set(said.map(({ key }) => key)).size).toBe(said.length);
    expect(await sql('SELECT owner_id FROM workspace WHERE organization_id = $1', [organization.id])).toEqual(
      [{ owner_id: member.userId }, { owner_id: member.userId }],
    );
    expect(
      await sql('SELECT key FROM conversation WHERE organization_id = $1 ORDER BY key', [organization.id]),
    ).toEqual([
      { key: 'session/2e6ce8bd-1bd6-478f-8edd-474b46ebf3a9' },
      { key: 'session/53215a07-6382-45f6-816d-70c6f9146abb' },
    ]);
  },
);

const said = (sessionId: string) => acme.activitiesOf(sessionId).map(({ content }) => content);

it('gives a first sign of life within seconds, and asks who is unknown to connect, them alone', async () => {
  const bob = acme.addUser({ name: 'Bob', email: 'bob@elsewhere.example' });
  const { session, delivery } = await linear.delegate(acme, issue, bob);
  expect(delivery.milliseconds).toBeLessThan(1000);
  expect(await outcomes()).toEqual(['awaiting-link']);
  await eventually('Bob is asked', () => said(session.id).some(({ type }) => type === 'elicitation'));
  expect(acme.activitiesOf(session.id)).toMatchObject([
    { content: { type: 'elicitation' }, signal: 'auth', signalMetadata: { userId: bob.id } },
  ]);
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

it('does nothing at its own word', async () => {
  const { session } = await linear.mention(acme, issue, acme.appUser, '@tryreplicas go on');
  await linear.prompt(acme, session, acme.appUser, 'go on');
  expect(await outcomes()).toEqual(['ignored-own', 'ignored-own']);
  expect(said(session.id)).toEqual([expect.objectContaining({ type: 'prompt' })]);
});

it('gives a sign of life at once, and tries again what Linear was too tired for', async () => {
  linear.fail({ status: 500, match: { operation: 'user' } });
  const { session } = await linear.delegate(acme, issue, ann);
  await eventually('a sign of life', () => session.firstSignAt !== null);
  await eventually('it was asked', () => linear.requests.some(({ status }) => status === 500));
  await eventually('it was tried again', async () => (await deliveries())[0]?.state === 'processed');
  expect(await outcomes()).toEqual(['started']);
  await eventually('it works', () => acme.stateOf(issue).name === 'In Progress');
  const given = linear.calls.filter(
    ({ operation, variables, errors }) =>
      operation === 'agentActivityCreate' &&
      errors.length === 0 &&
      JSON.stringify(variables).includes('Looking into it.'),
  );
  expect(given).toHaveLength(1);
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
  expect(await outcomes()).toEqual(['started', 'stopped', expect.stringMatching(/^(already-done|stopped)$/)]);
  await eventually('it is said', () =>
    said(session.id).some(({ body }) => /Stopped|nothing under way/.test(String(body))),
  );
  expect((await replies()).filter(({ type }) => type === 'stopped')).toHaveLength(1);
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
  ).toEqual([{ state: 'closed', state_reason: 'Linear was disconnected.' }]);
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
    {
      type: 'thought',
      body: `Working on acme/web with claude, as ${member.name}.`,
    },
  ]);
});

it('asks which repository, the likeliest first, and goes on with the answer', async () => {
  await map('acme/app');
  acme.suggestions.set(issue.id, [{ repository: 'acme/app', confidence: 0.9 }]);
  const { session } = await linear.delegate(acme, issue, ann);
  expect(await outcomes()).toEqual(['repository-asked']);
  await eventually('it is asked', () => said(session.id).some(({ type }) => type === 'elicitation'));
  expect(acme.activitiesOf(session.id)).toMatchObject([
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
