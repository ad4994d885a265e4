import {
  eventLine,
  eventText,
  jsonText,
  messageLine,
  oneLine,
  printable,
  table,
  workspaceDetails,
  workspaceTable,
} from './render.js';
import { newId } from './testing/berth-server.js';

const at = '2026-01-02T03:04:05.678Z';

describe('foreign text', () => {
  it('cannot command the terminal', () => {
    const attack = 'a\u001b]52;c;ZXZpbA==\u0007b\u009b2Jc\u202ed\rE\r\nF\tG';
    expect(printable(attack)).toBe('a]52;c;ZXZpbA==b2JcdE\nF\tG');
    expect(oneLine(' a\n b\t\tc ')).toBe('a b c');
  });

  it('stays the same JSON with nothing the terminal obeys', () => {
    const value = { text: 'a\u001b[2J\u009b\u007f\u202e\nb' };
    const line = jsonText(value);
    expect(line).toMatch(/^[ -~]+$/);
    expect(JSON.parse(line)).toEqual(value);
    expect(JSON.parse(jsonText(value, 2))).toEqual(value);
  });
});

describe('tables', () => {
  it('are aligned, without trailing blanks', () => {
    expect(
      table(
        ['A', 'LONG', 'C'],
        [
          ['wide cell', 'x', ''],
          ['1', '2\n3', '4'],
        ],
      ),
    ).toBe('A          LONG  C\nwide cell  x\n1          2 3   4\n');
  });

  it('show short ids where they tell workspaces apart, else whole ones', () => {
    const one = { id: newId(1), state: 'running' };
    expect(workspaceTable([one])).toContain('\n00000001  -     running');
    const twin = { id: newId(1).replace('0189', '0190'), state: 'failed' };
    expect(workspaceTable([one, twin])).toContain(`\n${newId(1)}  -     running`);
  });

  it('show one workspace by its facts and leave out the absent', () => {
    const shown = workspaceDetails({
      id: 'w',
      state: 'failed',
      stateReason: 'the repository is gone',
      ref: null,
      credential: { kind: 'anthropic_api_key', scope: 'user' },
      owner: { name: 'Ada', email: 'ada@example.org' },
    });
    expect(shown).toBe(
      'id          w\nstate       failed: the repository is gone\ncredential  anthropic_api_key (user)\nowner       Ada, ada@example.org\n',
    );
  });
});

describe('events', () => {
  it.each([
    ['workspace.state', { state: 'failed', reason: 'no disk' }, 'failed: no disk'],
    ['message.state', { state: 'failed', error: { message: 'no quota' } }, 'failed: no quota'],
    ['authentication.state', { agent: 'claude', state: 'restored' }, 'claude restored'],
    [
      'authentication.state',
      { agent: 'claude', message: 'Re-authenticating Claude' },
      'Re-authenticating Claude',
    ],
    [
      'credential.state',
      {
        kind: 'claude_oauth',
        scope: 'user',
        status: 'rejected',
        message: 'Claude ended it',
        credentialId: 'c',
      },
      'claude_oauth (user) rejected: Claude ended it',
    ],
    ['conversation.state', { state: 'closed', reason: 'It left.', url: 'https://x' }, 'closed: It left.'],
    ['agent.tool', { name: 'Bash', state: 'started', summary: 'ls' }, 'Bash started: ls'],
    [
      'agent.plan',
      {
        items: [
          { content: 'Look', status: 'completed' },
          { content: 'Do', status: 'in_progress' },
          { content: 'Test', status: 'pending' },
        ],
      },
      '[x] Look\n[>] Do\n[ ] Test',
    ],
    ['agent.usage', { model: 'm', inputTokens: 12, outputTokens: null }, 'm, 12 tokens in'],
    ['git.pushed', { branch: 'berth/00000001', commit: '0123456789abcdef' }, 'berth/00000001 0123456789ab'],
    ['git.failed', { code: 'x', message: 'Pushing is not allowed.' }, 'Pushing is not allowed.'],
    [
      'egress.blocked',
      { host: 'evil.example', port: 443, reason: 'not-allowed', message: 'Berth does not let you.' },
      'Berth does not let you.',
    ],
    ['pull_request.opened', { url: 'https://x/1' }, 'https://x/1'],
    ['something.new', { a: 1 }, '{"a":1}'],
  ])('%s %j reads %s', (type, data, text) => {
    expect(eventText({ seq: 1, at, type, data })).toBe(text);
  });

  it('stand in columns, further lines under the first', () => {
    const line = eventLine({ seq: 1, at, type: 'agent.text', data: { text: 'one\ntwo\n' } }, false);
    expect(line).toBe(`2026-01-02T03:04:05Z  agent.text            one\n${' '.repeat(44)}two\n`);
  });

  it('are coloured only when asked', () => {
    const event = { seq: 1, at, type: 'agent.text', data: { text: 'x' } };
    expect(eventLine(event, true)).toContain('\u001b[2m');
    expect(eventLine(event, false)).not.toContain('\u001b');
  });
});

it('says what became of a message', () => {
  const message = { id: 'm', seq: 7, author: { type: 'user' }, text: 't', state: 'failed' };
  expect(messageLine({ ...message, error: { code: 'c', message: 'no\u001b[2J quota' } })).toBe(
    'message 7 is failed: no[2J quota\n',
  );
  expect(messageLine({ ...message, state: 'queued' })).toBe('message 7 is queued\n');
});
