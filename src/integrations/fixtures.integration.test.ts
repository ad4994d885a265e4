import { mkdtemp, rm } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'pg';
import { startGithubEmulator, type GithubEmulator } from '../../test/emulators/github.js';
import type {
  GithubApp,
  GithubPull,
  GithubRepository,
  GithubUser,
} from '../../test/emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../../test/emulators/linear.js';
import type { LinearOrganization, LinearSession } from '../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { API_KEY } from '../../test/support/bench.js';
import { tieAccount, tieGithub, tieLinear } from '../../test/support/connections.js';
import { eventually } from '../../test/support/eventually.js';
import { EXPECTED } from '../../test/support/expected-outcomes.js';
import { connectLinear } from '../../test/support/linear-connection.js';
import { deliver, fromGithub, fromLinear, type SignedDelivery } from '../../test/support/webhooks.js';
import type { ExternalSystem } from '../contracts/index.js';
import { Following } from '../triggers/follow/following.service.js';

/** Every payload there is, of both systems, by the signed webhook. What a system would send, and what it answers, is held against this one table. */
const FOLDER = path.join(process.cwd(), 'test', 'fixtures');
const SYSTEMS = ['github', 'linear'] as const;
/** As the fixtures name them. */
const IDS = {
  linear: 'a194ff23-bdd4-4b0f-85d1-179010f56da9',
  /** Of the recordings of 2023. */
  linearOf2023: '7c0221e0-76d2-45eb-b803-6163c046c534',
  appUser: '25caa59c-1d99-4324-8de7-5a736c7f2ef3',
  ann: '301f7847-46dc-4d6b-8199-35c832cbb2ad',
  team: '021c0787-e9d5-4bcf-868d-288130ed435e',
  issue: 'abe10d58-df74-44a8-8e5b-fc30dbfc1ec6',
  sessions: ['53215a07-6382-45f6-816d-70c6f9146abb', '2e6ce8bd-1bd6-478f-8edd-474b46ebf3a9'],
  commentOnPull: 546_616_131,
  installations: { living: [957_387, 1], suspended: 16_598_467, gone: 2 },
};

let github: GithubEmulator;
let githubApp: GithubApp;
let author: GithubUser;
let demo: GithubRepository;
let pull: GithubPull;
let linear: LinearEmulator;
let acme: LinearOrganization;
let app: TestApp;
/** One connection for all looks: they are many. */
let database: Pool;
let organization: TestOrganization;
let member: TestMember;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'berth-fixtures-'));
  github = await startGithubEmulator({ root: folder });
  await makeGithub();
  linear = await startLinearEmulator();
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear, github }) } });
  // Asked by several at once, which one connection does not take.
  database = new Pool({ connectionString: app.database.ownerUrl });
});
afterAll(async () => {
  await database.end();
  await app.close();
  await Promise.all([github.close(), linear.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** GitHub as the recordings know it: two people's repositories, a stranger with a fork, an installation that is suspended and one that is gone. */
async function makeGithub(): Promise<void> {
  const { make } = github;
  author = make.user('chhsia0', { id: 4_643_017 });
  const owner = make.user('Codertocat', { id: 21_031_067 });
  const stranger = make.user('outside-contributor', { id: 99_900_011 });
  demo = await make.repository(author, 'knative-route-demo', { id: 199_540_710, private: false });
  const hello = await make.repository(owner, 'Hello-World', { id: 186_853_002, private: false });
  const fork = await make.repository(stranger, 'Hello-World', {
    id: 999_000_111,
    parent: hello,
    private: false,
  });
  await make.pull(hello, stranger, { number: 2, head: 'changes', headRepository: fork });
  githubApp = make.app({ slug: 'tryreplicas', id: 29_310, owner });
  const [ofAuthor, ofOwner] = IDS.installations.living;
  make.installation(githubApp, author, null, { id: ofAuthor });
  make.installation(githubApp, owner, null, { id: ofOwner });
  const suspended = make.installation(githubApp, stranger, null, { id: IDS.installations.suspended });
  suspended.suspendedAt = new Date().toISOString();
}

/** New organizations, tied to what the payloads come from; a new pull request and new sessions, so that nothing of before counts. */
async function begin(): Promise<void> {
  await sql('DELETE FROM linear_connection');
  await sql('DELETE FROM github_installation');
  await sql('DELETE FROM delivery');
  github.reset();
  linear.reset();
  const { ownerUrl } = app.database;
  organization = await app.founded(`acme-${randomUUID().slice(0, 8)}`);
  member = await app.member(organization, 'member');
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await sql('UPDATE "user" SET email_verified_at = now() WHERE id = $1', [member.userId]);
  const { living, suspended, gone } = IDS.installations;
  for (const id of [...living, suspended, gone]) await tieGithub(ownerUrl, organization.id, String(id));
  await tieAccount(
    ownerUrl,
    { organizationId: organization.id, userId: member.userId },
    { system: 'github', externalId: String(author.id) },
  );
  Object.assign(demo, { comments: [], checkRuns: [], pulls: new Map() });
  pull = await github.make.pull(demo, author, { number: 3 });
  acme = linear.addOrganization('example-shared', { id: IDS.linear, appUserId: IDS.appUser });
  acme.appUser.name = 'tryreplicas';
  acme.addUser({ id: IDS.ann, name: 'Ann Example', email: member.email });
  acme.addTeam('ENG', 'Engineering', IDS.team);
  acme.addIssue(IDS.team, { id: IDS.issue, title: 'Checkout button has no label' });
  for (const id of IDS.sessions) acme.sessions.set(id, sessionOf(id));
  await connectLinear(app, organization, linear, acme);
  await tieLinear(ownerUrl, (await app.founded(`of-2023-${randomUUID().slice(0, 8)}`)).id, IDS.linearOf2023);
  const { api } = organization.owner;
  await api.post(api.path('/mappings'), { linearTeamKey: 'ENG', repository: 'acme/web' }, 201);
}

/** As Linear has it when it tells of it. */
function sessionOf(id: string): LinearSession {
  const at = new Date();
  return {
    ...{ id, issueId: IDS.issue, creatorId: IDS.ann, commentId: '', sourceMetadata: null, plan: null },
    ...{
      summary: null,
      externalUrls: [],
      createdAt: at,
      updatedAt: at,
      firstSignAt: null,
      dismissedAt: null,
    },
  };
}

const sql = <T>(text: string, values: unknown[] = []): Promise<T[]> =>
  database.query(text, values).then(({ rows }) => rows as T[]);

type Payload = Record<string, unknown>;
const namesIn = (system: ExternalSystem): string[] =>
  readdirSync(path.join(FOLDER, system))
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.replace(/\.json$/, ''))
    .sort();
const read = (system: ExternalSystem, name: string): Payload =>
  JSON.parse(readFileSync(path.join(FOLDER, system, `${name}.json`), 'utf8')) as Payload;

/** Something that a system sends, and what is to come of it. */
interface Sendable {
  system: ExternalSystem;
  name: string;
  event: string;
  payload: Payload;
  expected: string;
}

function sendables(): Sendable[] {
  return SYSTEMS.flatMap((system) =>
    namesIn(system).flatMap((name) => {
      const payload = read(system, name);
      const expected = EXPECTED[system][name] ?? 'not said';
      if (expected === 'as it says') return commentsOf(payload, name);
      // Without what is asked for there it would be no comment at all.
      if (name.includes('on-pull-request.mention'))
        written(IDS.commentOnPull, (payload.comment as Payload).body);
      const event = system === 'github' ? (/^\w+/.exec(name)?.[0] ?? '') : String(payload.type);
      return [{ system, name, event, payload, expected }];
    }),
  );
}

/** Each as a comment of its own on the recorded pull request. */
function commentsOf({ cases }: Payload, name: string): Sendable[] {
  const base = read('github', 'issue_comment.created.on-pull-request.mention.constructed');
  return (cases as { body: string; trigger: boolean }[]).map(({ body, trigger }, index) => {
    const id = 600_000_000 + index;
    written(id, body);
    const comment = { ...(base.comment as Payload), id, node_id: `IC_${id}`, body };
    return {
      ...({ system: 'github', name: `${name} ${index}`, event: 'issue_comment' } as const),
      payload: { ...base, comment },
      expected: trigger ? 'asked' : 'ignored-no-mention',
    };
  });
}

/** It is at GitHub too, to be answered there. */
function written(id: number, body: unknown): void {
  github.make.comment(demo, pull.number, author, String(body), { id });
}

function signedOf({ system, event, payload }: Sendable, deliveryId: string = randomUUID()): SignedDelivery {
  return system === 'github'
    ? fromGithub(githubApp.webhookSecret ?? '', event, payload, deliveryId)
    : fromLinear(linear.app.webhookSecret, payload, { deliveryId });
}

/** Sends it twice, one right behind the other, and waits until it was handled. */
async function sendTwice(one: Sendable): Promise<string> {
  const deliveryId = randomUUID();
  const delivery = signedOf(one, deliveryId);
  for (let time = 0; time < 2; time++) expect((await deliver(app.url, delivery)).status).toBe(200);
  let outcome = '';
  await eventually(`${one.name} is handled`, async () => {
    const rows = await sql<{ state: string; outcome: string | null; error: string | null }>(
      'SELECT state, outcome, error FROM delivery WHERE delivery_id = $1',
      [deliveryId],
    );
    if (rows.length > 1) throw new Error('there are two of it');
    const [{ state, outcome: found, error } = { state: '', outcome: null, error: null }] = rows;
    outcome = found ?? error ?? '';
    return state === 'processed' || state === 'failed';
  });
  return outcome;
}

/** In their order; what follows each other and does nothing is sent at once. */
function grouped(sent: readonly Sendable[]): Sendable[][] {
  const isIdle = (one: Sendable | undefined): boolean => one?.expected.startsWith('ignored-') ?? false;
  return sent.reduce<Sendable[][]>((groups, one) => {
    const last = groups.at(-1);
    if (last && isIdle(one) && isIdle(last.at(-1))) last.push(one);
    else groups.push([one]);
    return groups;
  }, []);
}

/** All that workspaces told was heard where it was asked, as the sweep would see to, and all that is to be said was said. */
const said = (): Promise<void> =>
  eventually('all is said', async () => {
    const behind = await sql<{ id: string }>(
      "SELECT w.id FROM conversation c JOIN workspace w ON w.id = c.workspace_id WHERE c.organization_id = $1 AND c.state <> 'closed' AND c.event_cursor < w.last_event_seq",
      [organization.id],
    );
    for (const { id } of behind) await app.app.get(Following, { strict: false }).follow(organization.id, id);
    const open = "SELECT 1 FROM reply WHERE organization_id = $1 AND state = 'waiting'";
    return behind.length + (await sql(open, [organization.id])).length === 0;
  });

/** What was done here, and what both systems were sent. */
async function work() {
  const [rows] = await sql<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM workspace WHERE organization_id = $1) AS workspaces,
            (SELECT count(*)::int FROM message WHERE organization_id = $1 AND author_id IS NOT NULL) AS turns,
            (SELECT count(*)::int FROM ask WHERE organization_id = $1) AS asks,
            (SELECT count(*)::int FROM conversation WHERE organization_id = $1) AS talks, (SELECT count(*)::int FROM reply WHERE organization_id = $1) AS replies`,
    [organization.id],
  );
  const mutations = linear.calls.filter(({ operation }) => /Create$|Update$|^attachmentLink/.test(operation));
  return {
    ...rows,
    mutations: mutations.length,
    said: mutations
      .filter(({ operation, errors }) => operation === 'agentActivityCreate' && errors.length === 0)
      .map(({ variables }) => (variables.input as { id: string }).id),
    writesAtGithub: github.sent.filter(({ path: at }) => !at.endsWith('/access_tokens')).length,
    eyes: demo.comments.map(({ reactions }) => reactions.length),
    ours: demo.comments.filter(({ user }) => user === githubApp.bot).length,
    checks: demo.checkRuns.length,
  };
}

it.each(SYSTEMS)('every file of %s has an outcome that is expected', (system) => {
  expect(namesIn(system)).toEqual(Object.keys(EXPECTED[system]).sort());
});

it('a recording with a time as text is no delivery of today', async () => {
  await begin();
  for (const name of namesIn('linear').filter((each) => each.endsWith('.recorded'))) {
    const body = JSON.stringify(read('linear', name));
    const headers = { ...signedOf({ system: 'linear', name, event: '', payload: {}, expected: '' }).headers };
    headers['linear-signature'] = linear.webhooks.sign(body);
    expect((await deliver(app.url, { path: '/webhooks/linear', headers, body })).status).toBe(400);
  }
  expect(await sql('SELECT 1 FROM delivery')).toEqual([]);
});

describe.each(['in order', 'in reverse'])('every file of both systems, %s, each twice', (order) => {
  const outcomes = new Map<string, string>();
  let sent: Sendable[];
  beforeAll(async () => {
    await begin();
    const all = sendables();
    sent = order === 'in order' ? all : all.toReversed();
    for (const group of grouped(sent)) {
      const found = await Promise.all(group.map(sendTwice));
      group.forEach(({ name }, at) => outcomes.set(name, found[at] ?? ''));
    }
    await said();
  }, 60_000);

  it('has its outcome', () => {
    // A session that was stopped before it was told of does not begin, and neither does what was written there before the stop.
    const late: Record<string, string> =
      order === 'in reverse'
        ? {
            'agent-session-event.created.delegation.constructed': 'already-done',
            'agent-session-event.prompted.constructed': 'stopped',
          }
        : {};
    const begun = new Set<unknown>();
    const expected = sent.map((one): [string, string] => {
      const known = late[one.name];
      if (known !== undefined || one.expected !== 'asked') return [one.name, known ?? one.expected];
      const place = (one.payload.agentSession as Payload | undefined)?.id ?? 'the pull request';
      const outcome = begun.has(place) ? 'continued' : 'started';
      begun.add(place);
      return [one.name, outcome];
    });
    expect([...outcomes]).toEqual(expected);
  });

  it('was done once, as the member who asked', async () => {
    const asked = sent.filter(({ expected }) => expected === 'asked');
    const done = await work();
    const eyes = done.eyes.filter((count) => count > 0);
    const turns = order === 'in order' ? asked.length : asked.length - 2;
    expect(done).toMatchObject({
      ...{ workspaces: order === 'in order' ? 3 : 2, talks: 3, turns },
      // Each that asks, the stop, and that both sessions are over when the team is not to be seen any more.
      asks: asked.length + (order === 'in order' ? 3 : 0),
      // One look for each comment that asks, one comment that tells how far it is, one check.
      ...{ ours: 1, checks: 1 },
    });
    expect(eyes).toEqual(asked.filter(({ system }) => system === 'github').map(() => 1));
    expect(done.said.length).toBeGreaterThan(2);
    expect(done.said).toEqual([...new Set(done.said)]);
    const owners = await sql<{ owner_id: string }>(
      'SELECT DISTINCT owner_id FROM workspace WHERE organization_id = $1',
      [organization.id],
    );
    expect(owners).toEqual([{ owner_id: member.userId }]);
  });

  it('once more under other ids does nothing', async () => {
    const before = await work();
    // What is taken away once more ends what began in between, as in reverse order everything did.
    const again = sent.filter(({ name }) => order === 'in order' || !name.startsWith('permission-change'));
    for (const group of grouped(again)) await Promise.all(group.map(sendTwice));
    await said();
    expect(await work()).toEqual(before);
  });
});
