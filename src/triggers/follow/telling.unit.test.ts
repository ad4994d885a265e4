import { isWhole } from '../../contracts/index.js';
import type { WorkspaceEvent } from '../../events/index.js';
import { repliesOf, type Listening } from './telling.js';

const at = new Date('2026-01-01T00:00:00.000Z');
const FIRST = 5;

type Fact = [type: string, data: Record<string, unknown>];

function eventsOf(...facts: Fact[]): WorkspaceEvent[] {
  return facts.map(([type, data], index) => ({ seq: FIRST + index, type, at, data }));
}

const text = (said: string, messageId = 'ours'): Fact => ['agent.text', { messageId, text: said }];
const tool = (state: string, summary?: string, messageId = 'ours'): Fact => [
  'agent.tool',
  { messageId, toolId: 't', name: 'Bash', state, ...(summary ? { summary } : {}) },
];
const moved = (state: string, more: Record<string, unknown> = {}): Fact => [
  'message.state',
  { messageId: 'ours', seq: 1, state, attempts: 1, ...more },
];
const workspace = (state: string, reason?: string): Fact => [
  'workspace.state',
  { state, ...(reason ? { reason } : {}) },
];
const plan = (items: unknown): Fact => ['agent.plan', { messageId: 'ours', items }];
const login = (state: string, message: string): Fact => [
  'authentication.state',
  { agent: 'claude', state, message },
];
const pullRequest: Fact = [
  'pull_request.opened',
  { url: 'https://github.com/a/b/pull/7', number: 7, title: 'Fix' },
];

const listening: Listening = {
  url: 'https://linear.app/s',
  turns: new Map([['ours', { askKey: 'k', commentId: '3' }]]),
  answers: new Map([['ours', 'It is done.']]),
  isPage: false,
};
const about = { askKey: 'k', commentId: '3' };

/** [key, content] of each, and up to which of the events (counted from 1) it is. */
function tell(facts: Fact[], changes: Partial<Listening> = {}): { told: unknown[]; upTo: number } {
  const { told, upTo } = repliesOf(eventsOf(...facts), { ...listening, ...changes });
  return { told: told.map(({ key, content }) => [key, content]), upTo: upTo - FIRST + 1 };
}

describe('repliesOf', () => {
  const cases: [string, Fact[], unknown[], number?][] = [
    ['nothing', [], [], -FIRST + 1],
    [
      'an answer, once, as it is stored',
      [
        text('It is'),
        text(' done.'),
        moved('completed', { messageId: 'a', inReplyTo: 'ours' }),
        moved('completed'),
      ],
      [['end/ours', { type: 'answer', text: 'It is done.' }]],
    ],
    [
      'what the agent says before a tool, and what it finds',
      [text('Looking'), text(' first.'), tool('started', 'ls'), tool('completed', 'a.txt')],
      [
        ['event/7', { type: 'progress', text: 'Looking first.', tool: { name: 'Bash', parameter: 'ls' } }],
        ['event/8', { type: 'progress', text: '', tool: { name: 'Bash', parameter: '', result: 'a.txt' } }],
      ],
    ],
    [
      'a tool that failed',
      [tool('failed', 'no such file')],
      [
        [
          'event/5',
          {
            type: 'progress',
            text: '',
            tool: { name: 'Bash', parameter: '', result: 'failed: no such file' },
          },
        ],
      ],
    ],
    [
      'words that go on are left for later',
      [tool('started', 'ls'), text('And now')],
      [['event/5', { type: 'progress', text: '', tool: { name: 'Bash', parameter: 'ls' } }]],
      1,
    ],
    [
      'nothing of what others ask',
      [
        text('secret', 'theirs'),
        tool('started', 'cat', 'theirs'),
        moved('completed', { messageId: 'theirs' }),
      ],
      [],
    ],
    [
      'a failure in our words',
      [moved('failed', { error: { code: 'agent-failed', message: 'API Error: 401 {"type":"error"}' } })],
      [
        [
          'end/ours',
          {
            type: 'failed',
            text: 'The agent ended with an error. Write again and it goes on. The workspace shows what happened.',
          },
        ],
      ],
    ],
    [
      'a failure that was written for people',
      [
        login('failed', 'x'),
        moved('failed', {
          error: {
            code: 'authentication-failed',
            message: "Couldn't authenticate with Claude after multiple attempts.",
          },
        }),
      ],
      [['end/ours', { type: 'failed', text: "Couldn't authenticate with Claude after multiple attempts." }]],
    ],
    [
      'a plan, as it is each time',
      [plan([{ content: 'Look', status: 'in_progress' }]), plan('no list')],
      [['event/5', { type: 'plan', items: [{ content: 'Look', status: 'in_progress' }] }]],
    ],
    ['a stop', [moved('canceled')], [['end/ours', { type: 'stopped', text: 'Stopped.' }]]],
    [
      'put to sleep in the middle',
      [workspace('hibernating'), moved('canceled'), workspace('hibernated')],
      [
        [
          'end/ours',
          { type: 'stopped', text: 'The workspace was put to sleep. Write again and it goes on.' },
        ],
        ['event/7', { type: 'asleep' }],
      ],
    ],
    [
      'a login that is seen to',
      [
        login('reauthenticating', 'Re-authenticating Claude'),
        moved('reauthenticating'),
        moved('reauthenticating', { attempts: 2 }),
        login('restored', 'Claude is authenticated again'),
        moved('running'),
      ],
      [
        ['event/6', { type: 'authentication', state: 'reauthenticating', text: 'Re-authenticating Claude' }],
        ['event/9', { type: 'authentication', state: 'restored', text: 'Claude is authenticated again' }],
      ],
    ],
    ['another turn that begins is no restored login', [moved('running')], []],
    [
      'a workspace that failed',
      [workspace('failed', 'The repository could not be cloned.')],
      [['event/5', { type: 'failed', text: 'The workspace failed: The repository could not be cloned.' }]],
    ],
    [
      'a workspace that failed with its turn, once',
      [
        moved('failed', { error: { code: 'workspace-failed', message: 'The workspace failed: no disk.' } }),
        workspace('failed', 'no disk.'),
      ],
      [['end/ours', { type: 'failed', text: 'The workspace failed: no disk.' }]],
    ],
    [
      'what was pushed',
      [['git.pushed', { messageId: 'ours', branch: 'berth/x', commit: '0123456789' }]],
      [['event/5', { type: 'progress', text: 'Pushed 0123456 to berth/x.' }]],
      0,
    ],
    [
      'and how it ended, with it',
      [['git.pushed', { messageId: 'ours', branch: 'berth/x', commit: '0123456789' }], moved('completed')],
      [
        ['event/5', { type: 'progress', text: 'Pushed 0123456 to berth/x.' }],
        [
          'end/ours',
          { type: 'answer', text: 'It is done.', pushed: { branch: 'berth/x', commit: '0123456789' } },
        ],
      ],
    ],
    [
      'what could not be pushed, with the answer',
      [['git.failed', { messageId: 'ours', message: 'The branch is protected.' }], moved('completed')],
      [
        [
          'end/ours',
          { type: 'answer', text: 'It is done.\n\nThe work was not published: The branch is protected.' },
        ],
      ],
    ],
    [
      'and not before the answer',
      [tool('started', 'ls'), ['git.failed', { messageId: 'ours', message: 'no' }]],
      [['event/5', { type: 'progress', text: '', tool: { name: 'Bash', parameter: 'ls' } }]],
      1,
    ],
    [
      'a pull request',
      [pullRequest],
      [
        [
          'event/5',
          {
            type: 'pull-request',
            url: 'https://github.com/a/b/pull/7',
            number: 7,
            title: 'Fix',
            updated: false,
          },
        ],
      ],
    ],
    [
      'facts of later versions',
      [
        ['planet.state', { messageId: 'ours' }],
        ['agent.usage', { messageId: 'ours' }],
      ],
      [],
    ],
    [
      'facts without what they should have',
      [['agent.tool', { messageId: 'ours' }]],
      [['event/5', { type: 'progress', text: '', tool: { name: '', parameter: '', result: '' } }]],
    ],
  ];
  it.each(cases)('%s', (_, facts, told, upTo = facts.length) => {
    expect(tell(facts)).toEqual({ told, upTo });
  });

  it('tells no pull request of itself', () => {
    expect(tell([pullRequest], { url: 'https://github.com/a/b/pull/7' }).told).toEqual([]);
  });

  it('says of which ask it is', () => {
    const { told } = repliesOf(eventsOf(moved('completed'), workspace('hibernated')), listening);
    expect(told.map((each) => each.about)).toEqual([about, {}]);
  });

  it('says Done where an agent ended without a word', () => {
    expect(tell([moved('completed')], { answers: new Map() }).told).toEqual([
      ['end/ours', { type: 'answer', text: 'Done.' }],
    ]);
  });

  it('goes on where words fill all of a look', () => {
    const { told, upTo } = tell([text('a'), text('b')], { isPage: true });
    expect(told).toEqual([['event/6/ours', { type: 'progress', text: 'ab' }]]);
    expect(upTo).toBe(2);
    expect(tell([tool('started'), text('a')], { isPage: true }).upTo).toBe(1);
  });

  it('cuts long words to their end, and never in the middle of a character', () => {
    const long = `${'x'.repeat(2000)}😀${'y'.repeat(999)}`;
    const { told } = repliesOf(eventsOf(text(long), tool('started', '😀'.repeat(200))), listening);
    const [content] = told.map((each) => each.content as { text: string; tool: { parameter: string } });
    expect([content?.text, content?.tool.parameter].map((said) => isWhole(said ?? ''))).toEqual([true, true]);
    expect([content?.text.length, content?.tool.parameter.length]).toEqual([1000, 301]);
  });
});
