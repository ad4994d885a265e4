import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hear, newsOf, type Heard } from './heard.js';

const FIXTURES = join(process.cwd(), 'test', 'fixtures', 'linear');
const SELF = { appUserId: '25caa59c-1d99-4324-8de7-5a736c7f2ef3', name: 'tryreplicas' };
const ANN = { id: '301f7847-46dc-4d6b-8199-35c832cbb2ad', name: 'Ann Example', email: 'ann@example.com' };
const SESSION = {
  issueId: 'abe10d58-df74-44a8-8e5b-fc30dbfc1ec6',
  identifier: 'ENG-101',
  title: 'Checkout button has no label',
  description: 'The icon button needs an accessible name.',
  teamId: '021c0787-e9d5-4bcf-868d-288130ed435e',
};

type Payload = Record<string, unknown> & { type: string; action: string };
const read = (name: string): Payload =>
  JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as Payload;
const heard = (body: Payload): Heard => hear(body.type, body.action, body, SELF);

const EXPECTED: Record<string, object> = {
  'agent-session-event.created.delegation.constructed': {
    what: 'ask',
    by: 'delegation',
    key: 'session/53215a07-6382-45f6-816d-70c6f9146abb',
    session: SESSION,
    person: ANN,
    text: null,
  },
  'agent-session-event.created.mention.constructed': {
    what: 'ask',
    by: 'mention',
    key: 'session/2e6ce8bd-1bd6-478f-8edd-474b46ebf3a9',
    session: SESSION,
    person: ANN,
    text: '@tryreplicas please do this one',
    writtenIn: null,
    guidance: ['Use the web repository.'],
  },
  'agent-session-event.prompted.constructed': {
    what: 'ask',
    by: 'prompt',
    key: 'activity/8e082b62-ede7-4f20-8cd7-4edf4ce18b72',
    session: SESSION,
    person: ANN,
    text: 'Also cover the cart page.',
  },
  'agent-session-event.prompted.stop.constructed': {
    what: 'stop',
    key: 'activity/2868c8f3-528f-4556-8516-7131663b29b6',
    sessionId: '53215a07-6382-45f6-816d-70c6f9146abb',
    person: ANN,
  },
  'attachment.create.recorded': { what: 'nothing', outcome: 'ignored-event' },
  'comment.create.recorded': { what: 'nothing', outcome: 'ignored-event' },
  'issue.create.recorded': { what: 'nothing', outcome: 'ignored-issue' },
  'issue.update.assignee-set.constructed': { what: 'nothing', outcome: 'ignored-issue' },
  'issue.update.delegate-set.constructed': { what: 'nothing', outcome: 'ignored-issue' },
  'issue.update.recorded': { what: 'nothing', outcome: 'ignored-issue' },
  'oauth-app.revoked.constructed': { what: 'revoked' },
  'permission-change.constructed': {
    what: 'team-access-changed',
    removedTeamIds: ['021c0787-e9d5-4bcf-868d-288130ed435e'],
  },
};

it('knows every webhook of the fixtures', () => {
  const names = readdirSync(FIXTURES).flatMap((file) => /^(?!graphql|oauth\.).*(?=\.json$)/.exec(file) ?? []);
  expect(names.sort()).toEqual(Object.keys(EXPECTED).sort());
});

it.each(Object.entries(EXPECTED))('%s', (name, expected) => {
  expect(heard(read(name))).toMatchObject(expected);
});

it.each(Object.entries(EXPECTED))(
  '%s is news at once, or nobody says so before it is looked into',
  (name, expected) => {
    const body = read(name);
    const outcome = 'outcome' in expected && body.type !== 'AgentSessionEvent' ? expected.outcome : null;
    expect(newsOf(body.type, body.action, body)).toBe(outcome);
  },
);

const created = read('agent-session-event.created.delegation.constructed');
const mention = read('agent-session-event.created.mention.constructed');
const prompted = read('agent-session-event.prompted.constructed');
const delegate = read('issue.update.delegate-set.constructed');
type Parts = Record<string, Record<string, unknown>>;
const session = (of: Payload, more: object): Payload => ({
  ...of,
  agentSession: { ...(of as unknown as Parts).agentSession, ...more },
});
const activity = (more: object): Payload => ({
  ...prompted,
  agentActivity: { ...(prompted as unknown as Parts).agentActivity, ...more },
});
const TOLD = {
  id: '8289493d-c98f-4af7-8cb9-3793f3cfab29',
  body: '@tryreplicas please do this one',
  userId: ANN.id,
};
const STUB = 'This thread is for an agent session with tryreplicas.';
const own = { id: SELF.appUserId, name: 'tryreplicas', email: 'x@oauthapp.linear.app' };

describe('a session', () => {
  it.each<[string, Payload, object]>([
    [
      'begun by Berth itself',
      session(created, { creatorId: SELF.appUserId, creator: own }),
      { outcome: 'ignored-own' },
    ],
    [
      'begun by Berth, by its id alone',
      session(created, { creatorId: SELF.appUserId, creator: null }),
      { outcome: 'ignored-own' },
    ],
    [
      'of nobody, by what Berth wrote',
      session(created, { creatorId: null, creator: null, comment: { body: 'x', userId: SELF.appUserId } }),
      { outcome: 'ignored-own' },
    ],
    [
      'begun by another app',
      session(created, {
        creatorId: 'other',
        creator: { ...own, id: 'other', email: 'X@OAuthApp.linear.app' },
      }),
      { outcome: 'ignored-app' },
    ],
    [
      'begun by an automation',
      session(created, { creatorId: null, creator: null }),
      { what: 'ask', person: null },
    ],
    [
      'without an issue',
      session(created, { issue: null, issueId: null }),
      { outcome: 'ignored-without-issue' },
    ],
    [
      'with the id of an issue alone',
      session(created, { issue: undefined }),
      { what: 'ask', session: { title: '' } },
    ],
    ['of another app', { ...created, appUserId: 'other' }, { outcome: 'ignored-other-app' }],
    ['of nobody', { ...created, agentSession: {} }, { outcome: 'ignored-malformed' }],
    ['with an unknown action', { ...created, action: 'archived' }, { outcome: 'ignored-action' }],
    [
      'of a mention by what Berth wrote, on somebody’s behalf',
      session(mention, { comment: { ...TOLD, userId: SELF.appUserId } }),
      { outcome: 'ignored-own' },
    ],
    [
      'of a mention in another’s words',
      session(mention, { comment: { ...TOLD, userId: 'other' } }),
      { what: 'ask', person: ANN, writtenIn: TOLD.id },
    ],
    [
      'of a mention in a thread that Berth began',
      session(mention, { comment: { ...TOLD, id: 'first', userId: SELF.appUserId } }),
      { what: 'ask', person: ANN, writtenIn: TOLD.id },
    ],
    [
      'of a mention in another thread',
      session(mention, {
        sourceCommentId: 'reply',
        sourceMetadata: null,
        comment: { id: 'stub', body: STUB },
      }),
      { what: 'ask', by: 'mention', writtenIn: 'reply' },
    ],
    [
      'of a mention by nobody',
      session(mention, { creatorId: null, creator: null, comment: { ...TOLD, userId: 'other' } }),
      { what: 'ask', person: null, writtenIn: null },
    ],
    [
      'with a stub that Berth is named for',
      session(created, { comment: { id: 'stub', body: STUB, userId: SELF.appUserId } }),
      { by: 'delegation', writtenIn: null },
    ],
    ['of a mention without its metadata', session(mention, { sourceMetadata: null }), { by: 'mention' }],
    [
      'with a stub in other letters',
      session(created, { comment: { body: '\nTHIS THREAD IS FOR AN AGENT SESSION with x.' } }),
      { by: 'delegation', text: null },
    ],
    ['without a comment', session(created, { comment: null }), { by: 'delegation', text: null }],
    [
      'with what the SDK does not know',
      { ...session(created, { externalUrls: [] }), whatever: 1 },
      { what: 'ask' },
    ],
  ])('%s', (_, body, expected) => {
    expect(heard(body)).toMatchObject(expected);
  });
});

describe('what somebody writes in one', () => {
  it.each<[string, Payload, object]>([
    ['without words', activity({ content: { type: 'prompt', body: ' \n' } }), { outcome: 'ignored-empty' }],
    ['where the guide says it stands', activity({ content: null, body: 'x' }), { outcome: 'ignored-empty' }],
    ['by Berth', activity({ user: own, userId: own.id }), { outcome: 'ignored-own' }],
    [
      'by another app',
      activity({ user: { ...own, id: 'other' }, userId: 'other' }),
      { outcome: 'ignored-app' },
    ],
    [
      'as only agents write',
      activity({ content: { type: 'response', body: 'Done.' } }),
      { outcome: 'ignored-no-prompt' },
    ],
    [
      'by somebody who began none',
      activity({ user: { id: 'bob' }, userId: 'bob' }),
      { person: { id: 'bob', email: null } },
    ],
    [
      'the word alone',
      activity({ content: { type: 'prompt', body: 'stop' } }),
      { what: 'ask', text: 'stop' },
    ],
    ['without an activity', { ...prompted, agentActivity: null }, { outcome: 'ignored-malformed' }],
  ])('%s', (_, body, expected) => {
    expect(heard(body)).toMatchObject(expected);
  });
});

describe('an issue that is taken away', () => {
  const taken = (was: string, is: string | null): Payload => ({
    ...delegate,
    data: { ...(delegate as unknown as Parts).data, delegateId: is },
    updatedFrom: { delegateId: was },
  });

  it.each<[string, Payload, object]>([
    ['from Berth', taken(SELF.appUserId, null), { what: 'undelegated', issueId: SESSION.issueId }],
    ['from Berth, and given to another', taken(SELF.appUserId, 'other'), { what: 'undelegated' }],
    ['from another', taken('other', null), { outcome: 'ignored-issue' }],
    ['from nobody', { ...taken('x', null), data: {} }, { outcome: 'ignored-malformed' }],
    [
      'by the inbox',
      { type: 'AppUserNotification', action: 'issueUnassignedFromYou', notification: { issue: { id: 'i' } } },
      { what: 'undelegated', issueId: 'i' },
    ],
    [
      'by an inbox without it',
      { type: 'AppUserNotification', action: 'issueUnassignedFromYou', notification: {} },
      { outcome: 'ignored-malformed' },
    ],
    [
      'by no such thing',
      { type: 'AppUserNotification', action: 'issueMention' },
      { outcome: 'ignored-notification' },
    ],
  ])('%s', (_, body, expected) => {
    expect(heard(body)).toMatchObject(expected);
  });
});

it.each([null, 7, 'text', [], {}, { agentSession: [] }])('takes %j for nothing', (body) => {
  for (const event of ['AgentSessionEvent', 'Issue', 'AppUserNotification', 'PermissionChange', 'x'])
    for (const action of ['created', 'prompted', 'update', 'issueUnassignedFromYou', null])
      expect(hear(event, action, body, SELF)).toMatchObject({ what: 'nothing' });
});
