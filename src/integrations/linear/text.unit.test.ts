import { speechOf } from './speech.js';
import { fitting, plain, readable, said, withoutAddress, withoutCall } from './text.js';

it.each([
  ['A button', 'A button'],
  [
    '**bold** [x](https://evil.example) `code`',
    '\\*\\*bold\\*\\* \\[x\\]\\(https://evil.example\\) \\`code\\`',
  ],
  ['one\ntwo\u0000\u001b[31mred', 'one two \\[31mred'],
  ['\u202Eesrever\u200b', 'esrever'],
  ['<!-- x -->', '\\<\\!-- x --\\>'],
  ['@berth do it', '\\@berth do it'],
])('%j is said plainly', (text, expected) => {
  expect(plain(text)).toBe(expected);
});

it('keeps lines and letters, and nothing that cannot be seen', () => {
  expect(readable('a\r\n\tb\u0007\u202Ec 👋🏽')).toBe('a\n\tbc 👋🏽');
  // A hidden alphabet, in which an agent would read what nobody sees.
  expect(readable('fix it\u{e0072}\u{e006d}\u200b')).toBe('fix it');
});

it.each([
  ['Ask @berth again', 'Ask berth again'],
  ['@Berth, @BERTH and @berth-dev', 'Berth, BERTH and @berth-dev'],
  ['mail@berth.example', 'mailberth.example'],
  ['nothing', 'nothing'],
])('does not call itself: %s', (text, expected) => {
  expect(withoutCall(text, 'berth')).toBe(expected);
});

it.each([
  ['@berth please do this', 'please do this'],
  ['Please, @Berth: this', 'Please, this'],
  ['@a.b(c) x', '@a.b(c) x'],
])('is not told its own name: %s', (text, expected) => {
  expect(withoutAddress(text, 'berth')).toBe(expected);
});

it('calls nobody by an address, and shows no image that whoever reads it would fetch', () => {
  expect(said('See https://linear.app/acme/profiles/ann and @ann.', 'Berth (dev)')).toBe(
    'See https://linear.app/acme/\u2060profiles/ann and @\u2060ann.',
  );
  expect(said('![x](https://a.example/?q=secret) [y](https://linear.app/acme/issue/A-1)', 'berth')).toBe(
    '!\u2060[x](https://a.example/?q=secret) [y](https://linear.app/acme/issue/A-1)',
  );
  expect(said('```rust\nvec![1]\n```\nand `#![allow(x)]`, @berth', 'berth')).toBe(
    '```rust\nvec![1]\n```\nand `#![allow(x)]`, berth',
  );
});

it('shortens what is too long, and says so', () => {
  expect(fitting('x'.repeat(40_000))).toMatch(/^x{30000}\n\n… \(shortened/);
});

describe('speech', () => {
  const at = { name: 'berth', isOver: false };

  it('says in a title nothing that Markdown understands, and calls nobody', () => {
    const started = speechOf(
      {
        type: 'started',
        workspaceUrl: 'https://b/w',
        repository: 'acme/_web_',
        agent: 'Claude Code',
        member: '[Ann](x)',
      },
      at,
    );
    expect(started.activity?.content.body).toBe(
      'Working on acme/\\_web\\_ with Claude Code, as \\[Ann\\]\\(x\\).',
    );
    expect(speechOf({ type: 'answer', text: 'Ask @berth.' }, at).activity?.content.body).toBe('Ask berth.');
  });

  it('lets a session that is over rest when the workspace sleeps', () => {
    expect(speechOf({ type: 'asleep' }, { ...at, isOver: true })).toEqual({});
    expect(speechOf({ type: 'asleep' }, at).activity?.content.type).toBe('response');
  });

  it('opens no session again for a pull request', () => {
    const reply = {
      type: 'pull-request',
      url: 'https://github.com/a/b/pull/1',
      number: 1,
      title: 'T',
      updated: false,
    } as const;
    expect(speechOf(reply, at).activity).toBeUndefined();
  });
});
