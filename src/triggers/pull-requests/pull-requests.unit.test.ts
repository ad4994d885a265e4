import { afterPush, isDue, ownPullOf, suspendedOr, type OwnPull } from './own-pull.js';
import { bodyOf, ownPartIn, titleOf, withOwnPart, type PullRequestFacts } from './wording.js';

const pushed = { branch: 'berth/1', commit: 'c2' };
const opened = { number: 7, url: 'https://github.com/a/b/pull/7', repositoryId: '1', installationId: '2' };
const pull = (state: OwnPull['state'], more: Partial<OwnPull> = {}): OwnPull => ({
  ...{ state, head: 'berth/1', commit: 'c1', told: null, opened: null },
  ...more,
});

describe('what a push means for the pull request', () => {
  const wanted = { state: 'wanted', head: 'berth/1', commit: 'c2', told: null, opened: null };
  it.each([
    ['there is none', null, wanted],
    ['it is wanted already', pull('wanted'), wanted],
    ['it is open', pull('open', { told: 'c1', opened }), { ...wanted, state: 'open', told: 'c1', opened }],
    ['it was merged', pull('merged', { told: 'c1', opened }), wanted],
    ['it was refused', pull('refused'), wanted],
    [
      'it waits for an installation',
      pull('suspended', { waitsFor: '3' }),
      { ...wanted, state: 'suspended', waitsFor: '3' },
    ],
    ['people closed it', pull('closed', { opened }), null],
  ] as const)('where %s', (_what, before, after) => {
    expect(afterPush(before, pushed)).toEqual(after);
  });

  it.each([
    [pull('wanted'), true],
    [pull('open', { told: 'c0' }), true],
    [pull('open', { told: 'c1' }), false],
    [pull('merged'), false],
    [pull('closed'), false],
    [pull('refused'), false],
    [pull('suspended', { waitsFor: '3' }), false],
  ])('%j is due: %s', (own, due) => {
    expect(isDue(own)).toBe(due);
  });

  it.each([
    [pull('wanted'), '3', pull('suspended', { waitsFor: '3' })],
    [pull('open', { opened }), '3', pull('suspended', { opened, waitsFor: '3' })],
    [pull('suspended', { waitsFor: '2' }), '3', pull('suspended', { waitsFor: '3' })],
    [pull('suspended', { waitsFor: '3' }), null, pull('wanted')],
    [pull('suspended', { opened, waitsFor: '3' }), null, pull('open', { opened })],
    [pull('open', { opened }), null, pull('open', { opened })],
  ])('%j, of a repository whose installation is suspended (%j): %j', (own, by, after) => {
    expect(suspendedOr(own, by)).toEqual(after);
    // What does not change is not written.
    expect(suspendedOr(after, by)).toBe(after);
  });

  it('is read from a row that may hold anything', () => {
    expect(ownPullOf({ url: 'x', own: pull('open') })).toEqual(pull('open'));
    for (const kept of [null, 3, {}, { url: 'x' }, { own: { state: 'new' } }])
      expect(ownPullOf(kept)).toBeNull();
  });
});

describe('what a pull request says', () => {
  const facts = (more: Partial<PullRequestFacts> = {}): PullRequestFacts => ({
    workspaceUrl: 'https://berth.example/workspaces/1',
    name: 'widget',
    origin: { type: 'api' },
    asked: [{ author: 'Ada', text: 'Fix the login\nplease' }],
    ...more,
  });

  it('is titled by what was asked, or by the issue', () => {
    expect(titleOf(facts())).toBe('Fix the login');
    expect(titleOf(facts({ origin: { type: 'linear' }, name: 'ENG-7 Log\u202ein\u0007' }))).toBe(
      'ENG-7 Log in',
    );
    expect(titleOf(facts({ asked: [], name: '' }))).toBe('Work of the agent');
    expect(Array.from(titleOf(facts({ asked: [{ author: 'a', text: '👩‍💻'.repeat(200) }] })))).toHaveLength(
      120,
    );
  });

  it('says who asked for what, and links to where', () => {
    expect(bodyOf(facts())).toBe(
      'Made by an agent for Ada · [workspace](https://berth.example/workspaces/1)\n\nAda asked:\n\n```text\nFix the login\nplease\n```\n',
    );
    const url = 'https://linear.app/acme/issue/ENG-7/a) [x](https://evil.example';
    const body = bodyOf(facts({ origin: { type: 'linear', url } }));
    expect(body).toContain(
      '[what it is about](https://linear.app/acme/issue/ENG-7/a%29%20[x]%28https://evil.example)',
    );
    expect(body).not.toContain('Fix the login');
  });

  it.each([
    'a mention of @berth-acme and @everybody',
    'a fence\n```\n@berth-acme fixes #1\n```\nafter it',
    'a longer fence\n``````\n# out',
    'another line end\u2028```\u2028@berth-acme',
    '<!-- /berth --> @berth-acme ![x](https://evil.example/p.png)',
  ])('keeps in its fence: %j', (text) => {
    const [, fence = '', inside = ''] =
      /\n(`{3,})text\n([^]*)\n\1\n$/.exec(bodyOf(facts({ asked: [{ author: 'Ada', text }] }))) ?? [];
    expect(inside).not.toBe('');
    for (const line of inside.split('\n')) expect(line.trim().startsWith(fence)).toBe(false);
  });

  it('calls nobody by a name', () => {
    const body = bodyOf(facts({ asked: [{ author: '@berth-acme [x](y) <b>\n#1', text: 'x' }] }));
    expect(body).not.toMatch(/@berth|\[x\]\(|<b>/);
    expect(body).toContain('@\u200bberth');
  });

  it('stays below what GitHub takes, with the last that was asked', () => {
    const asked = Array.from({ length: 50 }, (_, index) => ({
      author: 'Ada',
      text: `${index} ${'`x'.repeat(5000)}`,
    }));
    const body = bodyOf(facts({ asked }));
    expect(body.length).toBeLessThan(60_000);
    expect(body).toContain('_30 earlier messages');
    expect(body).toContain('\n49 ');
  });

  it('leaves alone what people wrote around it', () => {
    const first = withOwnPart(null, 'one <!-- /berth --> x');
    const edited = `Hello\n${first}\nbye`;
    expect(withOwnPart(edited, 'two')).toBe('Hello\n<!-- berth -->\ntwo\n<!-- /berth -->\nbye');
    expect(ownPartIn('of people')).toBeNull();
    expect(ownPartIn(null)).toBeNull();
  });
});
