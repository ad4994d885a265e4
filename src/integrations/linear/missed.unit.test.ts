import { missableIn, type OpenSession } from './missed.js';

const self = { organizationId: 'linear-acme', appUserId: 'bot' };
const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute));
const window = { since: at(0), before: at(30), self };

function session(id: string, minute: number, prompts: [string, number][] = [], appUser = 'bot'): OpenSession {
  return {
    id,
    createdAt: at(minute),
    updatedAt: at(minute),
    sourceMetadata: null,
    appUser: { id: appUser },
    creator: { id: 'ann', email: 'ann@example.com' },
    issue: { id: `i-${id}` },
    activities: {
      nodes: prompts.map(([name, when]) => ({ id: name, createdAt: at(when), content: { body: name } })),
    },
  };
}

const keysOf = (...sessions: OpenSession[]): string[] => missableIn(sessions, window).map(({ key }) => key);

describe('missableIn', () => {
  it('is what began sessions and what was written there, the oldest first', () => {
    expect(keysOf(session('b', 5, [['p', 7]]), session('a', 3, [['q', 6]]))).toEqual([
      'session/a',
      'session/b',
      'activity/q',
      'activity/p',
    ]);
  });

  it('leaves out what began a session and stands there once more as a prompt', () => {
    expect(keysOf(session('a', 3, [['same', 3]]))).toEqual(['session/a']);
  });

  const source = { agentSessionMetadata: { sourceCommentId: 'source' } };
  it.each<[string, boolean, number, string | null, string]>([
    ['what began it, by its comment', false, 1, 'root', 'edited since'],
    ['what began it, by the comment of another thread', false, 1, 'source', 'edited since'],
    ['what began it, by its words', false, 1, 'elsewhere', ' @berth do it '],
    ['what may have begun it, of no comment', false, 10, null, 'And a label'],
    ['what was written in the same moment', true, 1, 'reply', 'And a label'],
    ['what was written later, of no comment', true, 11, null, 'And a label'],
  ])('takes up, or not, %s: %s', (_, isTaken, seconds, comment, body) => {
    const begun = session('a', 3);
    const prompt = {
      ...{ id: 'p', createdAt: new Date(at(3).getTime() + seconds * 1000), content: { body } },
      sourceComment: comment === null ? null : { id: comment },
    };
    const [whole, activities] = [
      { comment: { id: 'root', body: '@berth do it' }, sourceMetadata: source },
      { nodes: [prompt] },
    ];
    expect(keysOf({ ...begun, ...whole, activities })).toEqual([
      'session/a',
      ...(isTaken ? ['activity/p'] : []),
    ]);
  });

  it('leaves out what is older than the look, what is on its way, and what is of other apps', () => {
    expect(
      keysOf(
        session('a', -5, [
          ['old', -1],
          ['new', 2],
          ['young', 30],
        ]),
        session('b', 3, [], 'other'),
      ),
    ).toEqual(['activity/new']);
  });

  it('is in the form of the webhook', () => {
    const [created, prompted] = missableIn([session('a', 3, [['p', 4]])], window);
    expect(created?.body).toMatchObject({
      type: 'AgentSessionEvent',
      action: 'created',
      organizationId: 'linear-acme',
      appUserId: 'bot',
      agentSession: { id: 'a', creator: { email: 'ann@example.com' }, issue: { id: 'i-a' } },
    });
    expect(prompted?.body).toMatchObject({
      action: 'prompted',
      agentActivity: { id: 'p', content: { body: 'p' } },
    });
  });
});
