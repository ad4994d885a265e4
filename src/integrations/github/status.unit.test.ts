import { mentions } from './mention.js';
import {
  advance,
  bodyOf,
  markOf,
  MAX_BODY,
  plain,
  statusSchema,
  workingBody,
  type Status,
} from './status.js';

const mark = markOf('conversation', 'ask');
const fresh = statusSchema.parse({});

describe('what we write', () => {
  it.each([
    '@berth fix it',
    'see @Berth[bot].',
    '&#64;berth and &commat;berth and &#x40;berth',
    '@b&#101;rth and @&#98;erth',
    '<p>@berth</p>',
    '- @berth\n- *@berth*',
    '`@berth',
    '`@berth``',
    '``a` @berth',
    '| @berth |',
    '\\@berth',
    '~~~\n@berth\n~~~\n@berth',
    '```\n```\n@berth',
  ])('never mentions us: %j', (text) => {
    expect(mentions(bodyOf(mark, text, 'berth', null), 'berth')).toBe(false);
  });

  it('calls nobody where what ended a code span is cut off', () => {
    const body = bodyOf(mark, `\`@torvalds ${'a'.repeat(MAX_BODY)}\``, 'berth', null);
    expect(body).toContain('`@\u2060torvalds');
    expect(body.length).toBeLessThanOrEqual(MAX_BODY);
  });

  it('is as long as GitHub takes at most, ends its fence, and says where the rest is', () => {
    const body = bodyOf(mark, `\`\`\`ts\n${'😀 let a\n'.repeat(20_000)}`, 'berth', 'https://berth.example/w');
    expect(body.length).toBeLessThanOrEqual(MAX_BODY);
    expect(body).toMatch(/\n```\n\n… \(shortened — all of it is \[in the workspace\]\(https:.*\)\)$/);
    expect(body).not.toMatch(/\p{Surrogate}/u);
    expect(bodyOf(mark, 'a'.repeat(MAX_BODY), 'berth', null).length).toBeLessThanOrEqual(MAX_BODY);
    const fits = 'a'.repeat(MAX_BODY - mark.length - 1);
    expect(bodyOf(mark, fits, 'berth', null)).toBe(`${mark}\n${fits}`);
  });

  it.each(['`', '@a', '`` ` ', '~~~\n', '@', '&#64;a '])(
    'is made in a moment of %j over and over',
    (part) => {
      const before = performance.now();
      bodyOf(mark, part.repeat(200_000 / part.length), 'berth', null);
      expect(performance.now() - before).toBeLessThan(2_000);
    },
  );

  it('has a mark of its own for each conversation and ask', () => {
    expect(mark).toMatch(/^<!-- berth:[0-9a-f]{32} -->$/);
    expect(markOf('conversation', 'ask')).toBe(mark);
    expect(markOf('conversation', 'other')).not.toBe(mark);
  });

  it('shows names as they are', () => {
    expect(plain('a\n# [x](y) <b> `c` *d* \u202e')).toBe('a \\# \\[x\\](y) \\<b\\> \\`c\\` \\*d\\*');
  });
});

describe('a status', () => {
  const said = (...contents: Parameters<typeof advance>[1][]): Status =>
    contents.reduce<Status>((status, content) => advance(status, content, true) ?? status, fresh);
  const started = {
    type: 'started',
    workspaceUrl: 'https://berth.example/w',
    repository: 'acme/app',
    agent: 'Claude',
    member: 'Ada *L*',
  } as const;

  it('tells as whom it works, what it does and what is planned', () => {
    const status = said(
      started,
      { type: 'progress', text: '', tool: { name: 'Bash', parameter: 'npm test' } },
      {
        type: 'plan',
        items: [
          { content: 'read', status: 'completed' },
          { content: 'write', status: 'pending' },
        ],
      },
    );
    expect(workingBody(status)).toBe(
      'Working on it (Claude, for Ada \\*L\\*). — [workspace](https://berth.example/w)\n\n- [x] read\n- [ ] write\n\n> Bash npm test',
    );
  });

  it('ends by an answer, a failure or a stop', () => {
    expect(said(started, { type: 'answer', text: 'done' })).toMatchObject({ state: 'answered', step: null });
    expect(said(started, { type: 'failed', text: 'no' }).state).toBe('failed');
    expect(said(started, { type: 'stopped', text: 'no' }).state).toBe('stopped');
  });

  it('forgets that it signed in again once it did', () => {
    const state = (name: 'reauthenticating' | 'restored') =>
      ({ type: 'authentication', state: name, text: 'Re-authenticating Claude' }) as const;
    expect(said(started, state('reauthenticating')).step).toBe('Re-authenticating Claude');
    expect(said(started, state('reauthenticating'), state('restored')).step).toBeNull();
  });

  it('is not changed by what is said elsewhere', () => {
    expect(advance(fresh, { type: 'seen' }, true)).toBeNull();
    expect(advance(fresh, { type: 'asleep' }, true)).toBeNull();
  });

  it('tells where everybody reads that there is work, and not what is read and run for it', () => {
    const tool = { name: 'Bash', parameter: 'cat .env', result: 'PASSWORD=x' };
    const working = advance(fresh, { type: 'progress', text: 'Looking at .env', tool }, false);
    expect(working?.step).toBe('It is being worked on.');
    const shown = { ...fresh, ...working, commentId: '1' };
    expect(advance(shown, { type: 'progress', text: '', tool }, false)).toBeNull();
    const items = [{ content: 'read .env', status: 'pending' }];
    expect(advance(shown, { type: 'plan', items }, false)).toBeNull();
    const pushed = { type: 'progress', text: 'Pushed 0123456 to feature.' } as const;
    expect(advance(shown, pushed, false)?.step).toBe(pushed.text);
  });
});
