import { randomUUID } from 'node:crypto';
import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type {
  LinearIssue,
  LinearOrganization,
  LinearSession,
  LinearUser,
} from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import type { ReplyContent, ReplySender, SendOutcome } from '../../triggers/index.js';
import { AppTokens } from '../../credentials/index.js';
import { LinearApi } from './api.js';
import { firstThoughtId } from './first-thought.js';
import { CREATE_ACTIVITY } from './operations.js';
import { beginning, linearSender } from './sender.js';
import { FIRST_THOUGHT } from './speech.js';

const SIGN = { type: 'thought', body: 'Looking into it.' };
const PULL = 'https://github.com/acme/web/pull/7';

let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let app: TestApp;
let organization: TestOrganization;
let send: ReplySender;
let issue: LinearIssue;
let session: LinearSession;
let made: Record<string, unknown>;
beforeAll(async () => {
  linear = await startLinearEmulator();
  acme = linear.addOrganization('acme');
  ann = acme.addUser({ email: 'ann@example.com' });
  acme.addTeam('ENG');
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear }) } });
  organization = await app.founded('acme');
  await connectLinear(app, organization, linear, acme);
  send = linearSender(app.app.get(LinearApi, { strict: false }));
});
beforeEach(async () => {
  linear.reset();
  made = {};
  const [team] = acme.teams.values();
  issue = acme.addIssue(team?.id ?? '', { title: 'A button' });
  ({ session } = await linear.delegate(acme, issue, ann));
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

async function say(
  content: ReplyContent,
  externalKey: string = randomUUID(),
  about: { askKey?: string } = {},
): Promise<SendOutcome> {
  const subject = {
    sessionId: session.id,
    issueId: issue.id,
    issueIdentifier: 'ENG-1',
    teamId: issue.teamId,
    appUserId: acme.appUser.id,
    appUserName: 'berth',
  };
  const outcome = await send(
    {
      organizationId: organization.id,
      conversation: { id: randomUUID(), key: `session/${session.id}`, url: '', subject, made },
      reply: { id: randomUUID(), externalKey, content, about, attempts: 0 },
    },
    new AbortController().signal,
  );
  if (outcome.outcome === 'sent') Object.assign(made, outcome.made);
  return outcome;
}
const said = () => acme.activitiesOf(session.id).map(({ content }) => content);
const status = async (): Promise<unknown> => {
  const answer = await app.app
    .get(LinearApi, { strict: false })
    .ask(organization.id, 'query status($id: String!) { agentSession(id: $id) { status } }', {
      id: session.id,
    });
  return (answer.agentSession as { status: string }).status;
};
const STARTED: ReplyContent = {
  type: 'started',
  workspaceUrl: 'https://berth.example/w/1',
  repository: 'acme/web',
  agent: 'Claude Code',
  member: 'Ann',
};

it('gives a first sign of life at once', async () => {
  expect(await say({ type: 'seen' })).toMatchObject({ outcome: 'sent' });
  expect(said()).toEqual([SIGN]);
  expect(session.firstSignAt).not.toBeNull();
});

const word = () => ({ askKey: `activity/${randomUUID()}` });

describe.each(['refuse', 'same'] as const)('where an id that is there is taken as: %s', (duplicates) => {
  const beginning = () => ({ askKey: `session/${session.id}` });
  const there = () => [...acme.activitiesOf(session.id)];
  beforeEach(() => {
    linear.duplicates = duplicates;
  });

  it.each<[string, () => Promise<unknown>]>([
    ['it went on', () => say(STARTED)],
    ['another word was seen', () => say({ type: 'seen' }, randomUUID(), word())],
    ['it was done', () => say({ type: 'answer', text: 'Done.' })],
  ])('gives no sign again of which it was not kept that it was given, when %s meanwhile', async (_, act) => {
    for (const about of [beginning(), word()]) {
      const key = randomUUID();
      await say({ type: 'seen' }, key, about);
      await act();
      const [before, state] = [there(), await status()];
      expect(await say({ type: 'seen' }, key, about)).toMatchObject({ outcome: 'sent' });
      expect(there()).toEqual(before);
      // What is done does not look as though it were worked on.
      expect(await status()).toBe(state);
    }
  });

  it('finds the sign that the handler gave a beginning, whatever was said since', async () => {
    const id = firstThoughtId(organization.id, beginning().askKey);
    const input = { id, agentSessionId: session.id, ...FIRST_THOUGHT };
    await app.app.get(LinearApi, { strict: false }).ask(organization.id, CREATE_ACTIVITY, { input });
    await say({ type: 'seen' }, randomUUID(), word());
    const before = there();
    expect(await say({ type: 'seen' }, randomUUID(), beginning())).toMatchObject({
      outcome: 'sent',
      calls: 1,
    });
    expect(there()).toEqual(before);
  });
});

it('makes good a sign that was lost, also when more was said since', async () => {
  linear.fail({ mode: 'cut-before-head', match: { operation: 'agentActivityCreate' } });
  const [key, about] = [randomUUID(), word()];
  expect(await say({ type: 'seen' }, key, about)).toMatchObject({ outcome: 'later' });
  await say(STARTED);
  expect(await say({ type: 'seen' }, key, about)).toMatchObject({ outcome: 'sent' });
  expect(said()).toContainEqual(SIGN);
});

it('begins the issue: its team’s first state for that, itself as the one who does it, a link to the workspace', async () => {
  issue.delegateId = null;
  await say(STARTED);
  expect(acme.stateOf(issue).name).toBe('In Progress');
  expect(issue).toMatchObject({ delegateId: acme.appUser.id, assigneeId: ann.id });
  expect(session.externalUrls).toEqual([{ label: 'Workspace', url: 'https://berth.example/w/1' }]);
  expect(said()).toEqual([{ type: 'thought', body: 'Working on acme/web with Claude Code, as Ann.' }]);
});

it.each<[string, boolean]>([
  ['triage', true],
  ['backlog', true],
  ['unstarted', true],
  ['started', false],
  ['completed', false],
  ['canceled', false],
])('of an issue that is %s it is said: it moves, %s', (type, moves) => {
  const states = {
    nodes: [
      { id: 'b', type: 'started', position: 2 },
      { id: 'a', type: 'started', position: 1.5 },
    ],
  };
  const given = { state: { type }, delegate: { id: 'somebody' }, team: { states } };
  expect(beginning(given, 'berth')).toEqual(moves ? { stateId: 'a' } : {});
  // A team that has no such state keeps its issue where it is.
  expect(beginning({ ...given, team: { states: { nodes: [] } } }, 'berth')).toEqual({});
});

it.each(['In Review', 'Done', 'Canceled'])('leaves an issue that is %s where it is', async (name) => {
  issue.stateId = acme.statesOf(issue.teamId).find((state) => state.name === name)?.id ?? '';
  await say(STARTED);
  expect(acme.stateOf(issue).name).toBe(name);
});

it('says nothing twice, whether or not Linear takes an id twice, and when the answer was lost', async () => {
  for (const duplicates of ['refuse', 'same'] as const) {
    linear.duplicates = duplicates;
    const key = randomUUID();
    const before = said().length;
    linear.fail({ mode: 'lost-answer', match: { operation: 'agentActivityCreate' } });
    expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({ outcome: 'later' });
    expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({
      outcome: 'sent',
      externalId: key,
    });
    expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({ outcome: 'sent' });
    expect(said()).toHaveLength(before + 1);
  }
});

it.each<[ReplyContent, string, object]>([
  [{ type: 'progress', text: 'Reading' }, 'active', { type: 'thought', body: 'Reading' }],
  [
    { type: 'progress', text: '', tool: { name: 'Ran', parameter: 'npm test', result: 'ok' } },
    'active',
    { type: 'action', action: 'Ran', parameter: 'npm test', result: 'ok' },
  ],
  [{ type: 'answer', text: 'Done.' }, 'complete', { type: 'response', body: 'Done.' }],
  [{ type: 'stopped', text: 'Stopped.' }, 'complete', { type: 'response', body: 'Stopped.' }],
  [{ type: 'asleep' }, 'complete', { type: 'response', body: expect.stringContaining('sleeps') as string }],
  [{ type: 'failed', text: 'No.' }, 'error', { type: 'error', body: 'No.' }],
  [
    { type: 'authentication', state: 'reauthenticating', text: 'Re-authenticating Claude' },
    'active',
    { type: 'thought' },
  ],
  [{ type: 'authentication', state: 'failed', text: 'Could not' }, 'error', { type: 'error' }],
  [
    { type: 'choose', question: 'Which?', options: [{ label: 'Web', value: 'acme/web' }] },
    'awaitingInput',
    { type: 'elicitation' },
  ],
  [
    { type: 'connect', url: 'https://b/connect/x', person: { externalId: 'ann', handle: null } },
    'awaitingInput',
    { type: 'elicitation' },
  ],
])('says %j, and the session is %s', async (content, state, activity) => {
  expect(await say(content)).toMatchObject({ outcome: 'sent' });
  expect(said()).toMatchObject([activity]);
  expect(await status()).toBe(state);
});

it('says of several turns that one stop ends that they are stopped, once, and confirms each stop', async () => {
  const stopped: ReplyContent = { type: 'stopped', text: 'Stopped.' };
  const ofTurn = () => say(stopped, randomUUID(), { askKey: `activity/${randomUUID()}` });
  await say(stopped);
  expect(await ofTurn()).toMatchObject({ outcome: 'dropped' });
  expect(await ofTurn()).toMatchObject({ outcome: 'dropped' });
  await say(stopped);
  expect(said()).toHaveLength(2);
  // Something else was begun and stopped.
  await say({ type: 'progress', text: 'Reading' });
  expect(await ofTurn()).toMatchObject({ outcome: 'sent' });
  expect(said().map(({ body }) => body)).toEqual(['Stopped.', 'Stopped.', 'Stopped.']);
});

it('shows the link to connect to the one person alone, and options as options', async () => {
  await say({ type: 'connect', url: 'https://b/connect/x', person: { externalId: ann.id, handle: null } });
  await say({ type: 'choose', question: 'Which?', options: [{ label: 'Web', value: 'acme/web' }] });
  expect(acme.activitiesOf(session.id)).toMatchObject([
    { signal: 'auth', signalMetadata: { url: 'https://b/connect/x', userId: ann.id } },
    { signal: 'select', signalMetadata: { options: [{ label: 'Web', value: 'acme/web' }] } },
  ]);
});

it('links a pull request once, and leaves a session that is done as done', async () => {
  await say({ type: 'answer', text: 'Done.' });
  const pull: ReplyContent = { type: 'pull-request', url: PULL, number: 7, title: 'One', updated: false };
  await say(pull);
  await say({ ...pull, title: 'Two', updated: true });
  expect(acme.attachmentsOf(issue.id)).toMatchObject([{ url: PULL, title: 'Two' }]);
  expect(session.externalUrls).toEqual([{ label: 'Pull request #7', url: PULL }]);
  await say({ type: 'asleep' });
  expect(await status()).toBe('complete');
});

it('keeps a plan as a whole', async () => {
  await say({
    type: 'plan',
    items: [
      { content: 'Look', status: 'completed' },
      { content: 'Do', status: 'in_progress' },
    ],
  });
  expect(session.plan).toEqual([
    { content: 'Look', status: 'completed' },
    { content: 'Do', status: 'inProgress' },
  ]);
});

it('goes on with the next token when Linear refuses the one that is there', async () => {
  await say({ type: 'seen' });
  linear.logins.book.revokeLiving();
  expect(await say({ type: 'answer', text: 'Done.' })).toMatchObject({ outcome: 'sent' });
  expect(linear.logins.count('renewed')).toBe(1);
});

it('goes on when a token ran out in the middle and the answer of its renewal was lost', async () => {
  linear.logins.book.revokeLiving();
  linear.fail({ mode: 'lost-answer', match: { grant: 'refresh_token' } });
  expect(await say({ type: 'answer', text: 'Done.' })).toMatchObject({ outcome: 'sent' });
  expect(linear.logins.calls.map(({ outcome }) => outcome)).toEqual(['renewed', 'replayed']);
});

it('waits when the login was ended there, and says it once when it is connected again', async () => {
  linear.logins.endAll(acme.id);
  const key = randomUUID();
  for (let tries = 0; tries < 2; tries++)
    expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({
      outcome: 'later',
      reason: expect.stringContaining('connects it again') as string,
    });
  expect(said()).toEqual([]);
  await connectLinear(app, organization, linear, acme);
  expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({ outcome: 'sent' });
  expect(await say({ type: 'answer', text: 'Done.' }, key)).toMatchObject({ outcome: 'sent' });
  expect(said()).toEqual([{ type: 'response', body: 'Done.' }]);
});

it('drops what is refused, and tries again what may pass', async () => {
  linear.fail({ status: 500, match: { operation: 'agentActivityCreate' } });
  expect(await say({ type: 'seen' })).toMatchObject({ outcome: 'later' });
  acme.sessions.delete(session.id);
  expect(await say({ type: 'seen' })).toMatchObject({
    outcome: 'dropped',
    reason: expect.stringContaining('not found') as string,
  });
});

it('says nothing of its token, should Linear quote it', async () => {
  const { token } = await app.app.get(AppTokens, { strict: false }).token(organization.id, 'linear_app');
  const body = { errors: [{ message: `no ${token.reveal()} here`, extensions: { type: 'other' } }] };
  for (const status of [400, 500]) {
    linear.fail({ status, body, match: { operation: 'agentActivityCreate' } });
    const { reason } = (await say({ type: 'answer', text: 'Done.' })) as { reason: string };
    expect(reason).toMatch(/^Linear /);
    expect(reason).not.toContain(token.reveal().slice(10, 20));
  }
});

// Last: the limit is over in an hour.
it('waits for all when there is a limit, and sends nothing until it is over', async () => {
  linear.limits.configure({ requests: 0 });
  const limited = await say({ type: 'seen' });
  expect(limited).toMatchObject({ outcome: 'later', forAll: true });
  if (limited.outcome === 'later') expect(limited.retryAfterSeconds).toBeGreaterThan(3000);
  const { length } = linear.requests;
  expect(await say({ type: 'seen' })).toMatchObject({ outcome: 'later', forAll: true });
  expect(linear.requests).toHaveLength(length);
});
