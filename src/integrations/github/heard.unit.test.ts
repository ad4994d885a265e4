import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { judge, type GateFacts, type Verdict } from './gates.js';
import { hear, type Bot, type Heard } from './heard.js';
import { pullSchema } from './payload.js';

const folder = fileURLToPath(new URL('../../../test/fixtures/github/', import.meta.url));
const bot: Bot = { slug: 'tryreplicas', appId: '29310' };

/** What anybody may have sent. */
interface Body {
  action?: string;
  [name: string]: unknown;
}

function fixture(name: string): Body {
  return JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Body;
}

function heard(name: string, change?: (body: Body) => void, action?: string): Heard {
  const body = fixture(name);
  change?.(body);
  return hear(/^\w+/.exec(name)?.[0] ?? '', action ?? body.action ?? null, body, bot);
}

/** Sets a value by its path; what the path leads through is there. */
function set(body: Body, path: string, value: unknown): void {
  const parts = path.split('.');
  const last = parts.pop() ?? '';
  let at = body;
  for (const part of parts) at = at[part] as Body;
  at[last] = value;
}
const setting =
  (...values: [path: string, value: unknown][]) =>
  (body: Body): void =>
    values.forEach(([path, value]) => set(body, path, value));
const outcomeOf = (result: Heard): string => {
  if ('deleted' in result) return `deleted ${result.deleted.key}`;
  return 'spoken' in result ? result.spoken.key : result.outcome;
};

const MENTION = 'issue_comment.created.on-pull-request.mention.constructed';
const COMMENT_KEY = '199540710/MDEyOklzc3VlQ29tbWVudDU0NjYxNjEzMQ==';
const HELLO = '186853002';
/** Of each recorded file: the outcome by name, or the key under which it is asked. */
const expected: Record<string, string> = {
  'github_app_authorization.revoked': 'ignored-event',
  'installation.created': 'ignored-event',
  'installation.deleted': 'ignored-event',
  'installation.new_permissions_accepted': 'ignored-event',
  'installation.suspend': 'ignored-event',
  'installation_repositories.added': 'ignored-event',
  'issue_comment.created.on-issue': 'ignored-no-mention',
  'issue_comment.created.on-pull-request': 'ignored-no-installation',
  [MENTION]: COMMENT_KEY,
  'issue_comment.created.on-pull-request.own-bot.constructed': 'ignored-own',
  'issue_comment.edited.on-issue': 'ignored-no-installation',
  'issues.opened': 'ignored-no-installation',
  'organization.member_added': 'ignored-event',
  'ping.app': 'ignored-event',
  'pull_request.opened': 'ignored-no-mention',
  'pull_request_review.submitted.fork-outsider-mention.constructed': `${HELLO}/review/237895671`,
  'pull_request_review.submitted': 'ignored-no-mention',
  'pull_request_review_comment.created': 'ignored-no-mention',
  'workflow_run.completed': 'ignored-event',
};

describe('the recorded deliveries', () => {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('mention-bodies'))
    .map((name) => name.replace(/\.json$/, ''))
    .sort();

  it('are all expected', () => {
    expect(names).toEqual(Object.keys(expected).sort());
  });

  it.each(names)('%s has its outcome', (name) => {
    expect(outcomeOf(heard(name))).toBe(expected[name]);
  });

  it('ask once for what is delivered twice, in any order', () => {
    const asked = (order: string[]) =>
      [...new Set(order.map((name) => outcomeOf(heard(name))))].filter((key) => key.includes('/')).sort();
    const twice = [...names, ...names];
    const keys = [COMMENT_KEY, `${HELLO}/review/237895671`].sort();
    expect(asked(twice)).toEqual(keys);
    expect(asked([...twice].reverse())).toEqual(keys);
  });
});

describe('each event with a mention', () => {
  const text = 'Please, @tryreplicas, fix it';
  it.each([
    [
      'issue_comment.created.on-issue',
      'comment',
      'issue-comment',
      'issue',
      'MDEyOklzc3VlQ29tbWVudDQ5MjcwMDQwMA==',
    ],
    ['issues.opened', 'issue', 'issue', 'issue', 'MDU6SXNzdWU0NDQ1MDAwNDE='],
    ['pull_request.opened', 'pull_request', 'pull-request', 'pull', 'MDExOlB1bGxSZXF1ZXN0Mjc5MTQ3NDM3'],
    ['pull_request_review.submitted', 'review', 'review', 'pull', 'review/237895671'],
    ['pull_request_review_comment.created', 'comment', 'review-comment', 'pull', 'review/237895671'],
  ])('%s is asked', (name, at, kind, subject, key) => {
    const result = heard(name, setting([`${at}.body`, text], ['installation', { id: 1 }]));
    expect(result).toMatchObject({
      spoken: {
        key: `${HELLO}/${key}`,
        kind,
        text,
        repository: { id: HELLO, fullName: 'Codertocat/Hello-World' },
        author: { id: '21031067', login: 'Codertocat' },
        subject: { kind: subject },
      },
    });
  });

  it('tells of a comment on a pull request that it is on one, and not which branch that has', () => {
    expect(heard(MENTION)).toMatchObject({
      spoken: { subject: { kind: 'pull', number: 3 }, line: null },
    });
  });

  it('tells the place of a comment on a line', () => {
    expect(heard('pull_request_review_comment.created', setting(['comment.body', text]))).toMatchObject({
      spoken: {
        line: { path: 'README.md', line: 265, diff_hunk: '@@ -1 +1 @@\n-# Hello-World' },
        subject: { kind: 'pull', number: 2 },
        reviewId: '237895671',
      },
    });
  });
});

describe('a repository', () => {
  it.each([
    [true, undefined, true],
    [true, 'private', true],
    [true, 'internal', false],
    [false, 'public', false],
    [undefined, undefined, false],
  ])('that is private: %s, and %s, is closed to others: %s', (isPrivate, visibility, expected) => {
    const change = setting(['repository.private', isPrivate], ['repository.visibility', visibility]);
    expect(heard(MENTION, change)).toMatchObject({ spoken: { repository: { isPrivate: expected } } });
  });
});

describe('an edit', () => {
  const edited = (from: unknown, to: string, more: [string, unknown][] = []) =>
    outcomeOf(
      heard(MENTION, setting(['changes', { body: { from } }], ['comment.body', to], ...more), 'edited'),
    );

  it('that brings the mention is asked, under the key of the comment', () => {
    expect(edited('please', '@tryreplicas please')).toBe(COMMENT_KEY);
    expect(edited('`@tryreplicas` please', '@tryreplicas please')).toBe(COMMENT_KEY);
    expect(edited(null, '@tryreplicas please')).toBe(COMMENT_KEY);
  });

  it('of what mentioned it before is not', () => {
    expect(edited('@tryreplicas pleas', '@tryreplicas please')).toBe('ignored-mentioned-before');
  });

  it('of a title is not', () => {
    const change = setting(
      ['changes', { title: { from: 'a' } }],
      ['pull_request.body', '@tryreplicas do it'],
    );
    expect(outcomeOf(heard('pull_request.opened', change, 'edited'))).toBe('ignored-text-unchanged');
  });

  it('by somebody else than the author does not speak for the author', () => {
    const other: [string, unknown][] = [['sender', { id: 5, login: 'mallory', type: 'User' }]];
    expect(edited('please', '@tryreplicas please', other)).toBe('ignored-not-by-author');
  });

  it('of a comment in a review is asked on its own: the review may have been asked already', () => {
    const change = setting(['changes', { body: { from: 'a' } }], ['comment.body', '@tryreplicas do it']);
    expect(outcomeOf(heard('pull_request_review_comment.created', change, 'edited'))).toBe(
      `${HELLO}/MDI0OlB1bGxSZXF1ZXN0UmV2aWV3Q29tbWVudDI4NDMxMjYzMA==`,
    );
  });
});

describe('not asked is', () => {
  const by = (person: object) => setting(['sender', person], ['comment.user', person]);
  it.each<[string, (body: Body) => void, string]>([
    ['another bot', by({ id: 7, login: 'renovate[bot]', type: 'Bot' }), 'ignored-bot'],
    ['a bot that is said to be a person', by({ id: 7, login: 'renovate[bot]', type: 'User' }), 'ignored-bot'],
    ['ourselves, said to be a person', by({ id: 7, login: 'TryReplicas[bot]', type: 'User' }), 'ignored-own'],
    ['a person through our App', setting(['comment.performed_via_github_app', { id: 29310 }]), 'ignored-own'],
    [
      'a person through another App',
      setting(['comment.performed_via_github_app', { id: 7 }]),
      'ignored-other-app',
    ],
    [
      'a person who sends our words back',
      setting(['comment.body', `\n<!-- berth:${'0a'.repeat(16)} -->\n@tryreplicas go on`]),
      'ignored-own',
    ],
    [
      'an account that stands for one of elsewhere',
      by({ id: 7, login: 'x', type: 'Mannequin' }),
      'ignored-bot',
    ],
    ['an organization', by({ id: 7, login: 'acme', type: 'Organization' }), 'ignored-bot'],
    ['somebody whose account is gone', setting(['comment.user', null]), 'ignored-not-by-author'],
    ['what a repository sends', (body) => delete body.installation, 'ignored-no-installation'],
    ['a login that is a path', by({ id: 7, login: '../../orgs/acme', type: 'User' }), 'ignored-malformed'],
    ['a repository that is a path', setting(['repository.full_name', 'acme/..']), 'ignored-malformed'],
    ['a repository that is a longer path', setting(['repository.full_name', 'a/b/c']), 'ignored-malformed'],
    ['an id that is text', setting(['comment.id', '1']), 'ignored-malformed'],
    ['an id beyond what can be counted', setting(['repository.id', 2 ** 60]), 'ignored-malformed'],
    ['a comment without its id', setting(['comment.node_id', undefined]), 'ignored-malformed'],
    ['a delivery without a comment', (body) => delete body.comment, 'ignored-malformed'],
    ['a body that is a list', setting(['comment.body', ['@tryreplicas']]), 'ignored-malformed'],
    ['no text', setting(['comment.body', null]), 'ignored-no-mention'],
  ])('%s', (_, change, outcome) => {
    expect(outcomeOf(heard(MENTION, change))).toBe(outcome);
  });

  it('nor a pull request that was opened through another App', () => {
    const change = setting(
      ['pull_request.body', '@tryreplicas do it'],
      ['pull_request.performed_via_github_app', { id: 7 }],
    );
    expect(outcomeOf(heard('pull_request.opened', change))).toBe('ignored-other-app');
  });

  it('but a mail in which our words are quoted is', () => {
    const text = `@tryreplicas go on\n\n> <!-- berth:${'0a'.repeat(16)} -->\n> Done.`;
    expect(outcomeOf(heard(MENTION, setting(['comment.body', text])))).toBe(COMMENT_KEY);
  });

  it('what somebody took back, whoever deleted it; one comment of a review takes nothing back', () => {
    const deleted = heard(
      MENTION,
      setting(['sender', { id: 9, login: 'moderator', type: 'User' }]),
      'deleted',
    );
    expect(outcomeOf(deleted)).toBe(`deleted ${COMMENT_KEY}`);
    expect(outcomeOf(heard(MENTION, setting(['comment.body', 'thanks']), 'deleted'))).toBe(
      'ignored-no-mention',
    );
    const line = 'pull_request_review_comment.created';
    expect(outcomeOf(heard(line, setting(), 'deleted'))).toBe('ignored-action');
  });

  it.each([null, 'pinned', 'constructor'])('an action that says nothing: %s', (action) => {
    expect(hear('issue_comment', action, fixture(MENTION), bot)).toEqual({
      outcome: 'ignored-action',
      untold: true,
    });
  });

  it.each(['', 'constructor', '__proto__', 'sub_issues'])('an event that says nothing: %j', (event) => {
    expect(hear(event, 'created', {}, bot)).toEqual({ outcome: 'ignored-event', untold: true });
  });

  it.each([null, [], 'text', 7])('what is no delivery: %j', (body) => {
    expect(outcomeOf(hear('issues', 'opened', body, bot))).toMatch(/^ignored-/);
  });
});

describe('the gates', () => {
  const pull = pullSchema.parse(fixture('pull_request_review.submitted').pull_request);
  const forked = { ...pull, head: { ...pull.head, repo: { id: '999000111' } } };
  const gone = { ...pull, head: { ...pull.head, repo: null } };
  const closed = { ...pull, state: 'closed' };
  const refused = {
    pass: {
      readOnly: true,
      refusal: { reason: 'no-write-permission', text: expect.stringContaining('write access') as string },
    },
  };
  const connect: Verdict = {
    pass: {
      readOnly: true,
      refusal: { reason: 'connected-meanwhile', text: expect.stringContaining('again') as string },
    },
  };
  const known: GateFacts = { installation: 'known' };
  const linked: GateFacts = { ...known, member: 'linked' };
  const writer: GateFacts = { ...linked, permission: 'write' };
  const stranger: GateFacts = { ...known, member: 'unlinked' };

  it.each<[string, GateFacts, Verdict]>([
    [
      'an unknown installation before all else',
      { ...writer, installation: 'unknown' },
      { outcome: 'ignored-installation-unknown' },
    ],
    ['a suspended one', { installation: 'suspended' }, { outcome: 'ignored-installation-suspended' }],
    ['who it is, first', known, { need: 'member' }],
    ['who must not be taken for a member', { ...known, member: 'refused' }, connect],
    ['where a stranger is', stranger, { need: 'pull' }],
    ['a stranger on a branch of the repository', { ...stranger, pull }, connect],
    ['a stranger on an issue', { ...stranger, pull: 'none' }, connect],
    ['what a stranger on a fork may', { ...stranger, pull: forked }, { need: 'permission' }],
    [
      'a stranger on a fork',
      { ...stranger, pull: forked, permission: 'read' },
      { outcome: 'ignored-stranger-on-fork' },
    ],
    ['a member on a fork who is not linked', { ...stranger, pull: forked, permission: 'write' }, connect],
    ['what a member may', linked, { need: 'permission' }],
    ['a member who may read', { ...linked, permission: 'read' }, refused],
    ['a member who may nothing, on a fork', { ...linked, permission: 'none', pull: forked }, refused],
    ['where a member is', writer, { need: 'pull' }],
    ['a member on a branch', { ...writer, pull }, { pass: { readOnly: false } }],
    [
      'an administrator on an issue',
      { ...linked, permission: 'admin', pull: 'none' },
      { pass: { readOnly: false } },
    ],
    ['a member on a fork', { ...writer, pull: forked }, { pass: { readOnly: true } }],
    ['a member on a fork that is gone', { ...writer, pull: gone }, { pass: { readOnly: true } }],
    ['a member on what is closed', { ...writer, pull: closed }, { pass: { readOnly: true } }],
    ['a member on what is gone', { ...writer, pull: 'gone' }, { outcome: 'ignored-gone' }],
  ])('%s', (_, facts, verdict) => {
    expect(judge(facts)).toEqual(verdict);
  });
});
