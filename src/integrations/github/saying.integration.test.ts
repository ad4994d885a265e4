import {
  asInstallation,
  startGithubGround,
  type GithubGround,
} from '../../../test/emulators/github-ground.js';
import type { GithubComment, GithubPull } from '../../../test/emulators/github-world.js';
import { USUAL_PERMISSIONS } from '../../../test/emulators/github-making.js';
import { systemIds } from '../../kernel/index.js';
import { callsOf } from '../../triggers/replies/budget.js';
import type { ReplyAbout, ReplyContent, ReplyToSend, SendOutcome } from '../../triggers/index.js';
import { failureOf } from './api-failure.js';
import { GithubPlace } from './place.js';
import { Saying } from './saying.js';

let ground: GithubGround;
let place: GithubPlace;
let pull: GithubPull;
/** What was kept of the conversation. */
let made: Record<string, unknown>;
let isPrivate: boolean;

beforeAll(async () => {
  ground = await startGithubGround();
  pull = await ground.github.make.pull(ground.widget, ground.alice);
});
beforeEach(async () => {
  const { app, widget, installation } = ground;
  Object.assign(widget, { comments: [], reviews: [], checkRuns: [] });
  pull.reactions = [];
  installation.permissions = USUAL_PERMISSIONS;
  made = {};
  isPrivate = true;
  place = new GithubPlace(await asInstallation(ground), here(), {
    slug: app.slug,
    appId: String(app.id),
  });
});
afterAll(() => ground.close());

const here = () => ({ repositoryId: String(ground.widget.id), fullName: 'acme/widget' });

const started: ReplyContent = {
  type: 'started',
  workspaceUrl: 'http://berth.test/workspaces/1',
  repository: 'acme/widget',
  agent: 'Claude',
  member: 'Alice',
};

/** A reply on its way; said again, it is the same. */
function reply(content: ReplyContent, about: ReplyAbout = { askKey: '1/IC_1' }): ReplyToSend {
  const { widget, installation } = ground;
  const subject = {
    installationId: String(installation.id),
    repositoryId: String(widget.id),
    fullName: 'acme/widget',
    number: pull.number,
    kind: 'pull',
    headSha: pull.head?.lastSha,
    headRef: pull.head?.ref,
    isPrivate,
  };
  const key = `repository/${widget.id}/pull/${pull.number}`;
  return {
    organizationId: 'o',
    conversation: { id: 'c', key, url: `http://github.test/acme/widget/pull/${pull.number}`, subject, made },
    reply: { id: systemIds.next(), externalKey: systemIds.next(), content, about, attempts: 0 },
  };
}

async function say(job: ReplyToSend): Promise<SendOutcome> {
  const { app } = ground;
  const outcome = await new Saying(job, place, { slug: app.slug, appId: String(app.id) }).say();
  if (outcome.outcome === 'sent') made = { ...made, ...outcome.made };
  return outcome;
}

const again = (job: ReplyToSend): Promise<SendOutcome> =>
  say({ ...job, conversation: { ...job.conversation, made }, reply: { ...job.reply, attempts: 1 } });

const ours = (): GithubComment[] => ground.widget.comments.filter(({ user }) => user === ground.app.bot);
/** Without the mark. */
const texts = (): string[] => ours().map(({ body }) => body.replace(/^<!-- berth:\w+ -->\n/, ''));

describe('a sign that it was seen', () => {
  it.each(['issue-comment', 'review-comment', 'review', 'pull-request'])(
    'is on the %s, once',
    async (kind) => {
      const { github, widget, alice } = ground;
      const comment = github.make.comment(widget, pull.number, alice, 'a');
      const inline = github.make.comment(widget, pull.number, alice, 'b', { path: 'README.md' });
      const review = github.make.review(widget, pull.number, alice, 'c');
      const seen = { 'issue-comment': comment, 'review-comment': inline, review, 'pull-request': pull }[kind];
      const commentId = kind === 'review' ? review.nodeId : String(seen?.id);
      const job = reply({ type: 'seen' }, { commentId, commentKind: kind });
      expect(await say(job)).toEqual({ outcome: 'sent' });
      await again(job);
      const all = [comment, inline, review, pull].flatMap(({ reactions }) => reactions);
      expect(all.map(({ content }) => content)).toEqual(['eyes']);
      expect(seen?.reactions).toHaveLength(1);
    },
  );
});

it('sends nothing any more when it is given up: another may be on it by then', async () => {
  const given = new AbortController();
  const bot = { slug: ground.app.slug, appId: String(ground.app.id) };
  const bounded = new GithubPlace(await asInstallation(ground), here(), bot, given.signal);
  // On the way it is found out, between two calls.
  bounded.findComment = () => {
    given.abort();
    return Promise.resolve(null);
  };
  const job = { ...reply(started), reply: { ...reply(started).reply, attempts: 1 } };
  await expect(new Saying(job, bounded, bot).say()).rejects.toThrow();
  expect(ours()).toEqual([]);
});

describe('the status comment of an ask', () => {
  it('is one, edited until it holds the answer, and the check of the commit goes with it', async () => {
    await say(reply(started));
    expect(texts()).toEqual([
      'Working on it (Claude, for Alice). — [workspace](http://berth.test/workspaces/1)',
    ]);
    const [check] = ground.widget.checkRuns;
    expect(check).toMatchObject({ status: 'in_progress', headSha: pull.head?.lastSha, name: 'berth-acme' });
    await say(reply({ type: 'progress', text: '', tool: { name: 'Bash', parameter: 'npm test' } }));
    expect(texts()[0]).toContain('> Bash npm test');
    await say(reply({ type: 'answer', text: 'Renamed it. Thanks, @alice and @berth-acme!' }));
    expect(texts()).toEqual(['Renamed it. Thanks, @\u2060alice and @\u2060berth-acme!']);
    expect(ground.widget.checkRuns).toMatchObject([{ status: 'completed', conclusion: 'success' }]);
  });

  it.each([
    ['failed', 'failure'],
    ['stopped', 'cancelled'],
  ] as const)('that %s has a check that is a %s', async (type, conclusion) => {
    await say(reply(started));
    await say(reply({ type, text: 'A sentence.' }));
    expect(texts()).toEqual(['A sentence.']);
    expect(ground.widget.checkRuns).toMatchObject([{ status: 'completed', conclusion }]);
  });

  it('has its check at the end on what the agent pushed, and none that goes on where it began', async () => {
    const { widget, github } = ground;
    const asked = pull.head?.lastSha;
    await say(reply(started));
    const commit = await github.git.commit(widget, pull.head?.ref ?? '', { 'pushed.txt': 'a\n' });
    const answer = {
      type: 'answer',
      text: 'done',
      pushed: { branch: pull.head?.ref ?? '', commit },
    } as const;
    const job = reply(answer);
    github.fail({ mode: 'lost-answer', times: 1, match: { path: '/api/v3/repos/acme/widget/check-runs' } });
    await expect(say(job)).rejects.toThrow();
    await again(job);
    await again(job);
    expect(widget.checkRuns).toMatchObject([
      { headSha: asked, status: 'completed', conclusion: 'neutral' },
      { headSha: commit, status: 'completed', conclusion: 'success' },
    ]);
  });

  it('has its check where it was, also when what was pushed is elsewhere, or a later ask knows no commit', async () => {
    await say(reply(started));
    const pushed = { branch: 'berth/own', commit: '0'.repeat(40) };
    const job = reply({ type: 'stopped', text: 'Stopped.', pushed });
    const { headSha: _, ...subject } = job.conversation.subject as { headSha: string };
    await say({ ...job, conversation: { ...job.conversation, subject } });
    expect(ground.widget.checkRuns).toMatchObject([{ headSha: pull.head?.lastSha, conclusion: 'cancelled' }]);
  });

  it('shows where everybody reads no tools and what they are given', async () => {
    isPrivate = false;
    await say(reply(started));
    await say(reply({ type: 'progress', text: 'Hm', tool: { name: 'Bash', parameter: 'cat secrets' } }));
    expect(texts()[0]).toContain('> It is being worked on.');
    const next = reply({ type: 'progress', text: '', tool: { name: 'Read', parameter: '/etc/x' } });
    expect(await say(next)).toMatchObject({ outcome: 'dropped' });
    expect(JSON.stringify(ground.widget.comments)).not.toMatch(/Bash|secrets|Read/);
  });

  it('takes as many calls as are counted for it at most', async () => {
    const about = { askKey: '1/review/3', commentKind: 'review-comment' };
    const { github, widget, alice } = ground;
    const asked = github.make.comment(widget, pull.number, alice, 'why?', { path: 'README.md' });
    const on = { ...about, commentId: String(asked.id) };
    const taken = async (content: ReplyContent): Promise<number> => {
      const before = place.writes;
      await say(reply(content, on));
      return place.writes - before;
    };
    expect(await taken({ type: 'seen' })).toBe(callsOf({ type: 'seen' }, 'github'));
    expect(await taken(started)).toBe(callsOf(started, 'github'));
    expect(await taken({ type: 'progress', text: 'a' })).toBe(1);
    widget.comments = widget.comments.filter(({ user }) => user !== ground.app.bot);
    const commit = await github.git.commit(widget, pull.head?.ref ?? '', { 'more.txt': 'a\n' });
    const answer = { type: 'answer', text: 'a', pushed: { branch: pull.head?.ref ?? '', commit } } as const;
    expect(await taken(answer)).toBe(callsOf(answer, 'github'));
  });

  it('is another one for another ask', async () => {
    await say(reply(started));
    await say(reply({ type: 'answer', text: 'one' }));
    await say(reply({ type: 'answer', text: 'two' }, { askKey: '1/IC_2' }));
    expect(texts()).toEqual(['one', 'two']);
  });

  it('is made once, also where the answer to making it or its check was lost', async () => {
    for (const path of ['issues', 'check-runs']) {
      const job = reply(started, { askKey: path });
      const match = {
        path: `/api/v3/repos/acme/widget/${path === 'issues' ? `issues/${pull.number}/comments` : path}`,
      };
      ground.github.fail({ mode: 'lost-answer', times: 1, match });
      await expect(say(job)).rejects.toThrow();
      await again(job);
      await again(job);
    }
    expect(ours()).toHaveLength(2);
    expect(ground.widget.checkRuns).toHaveLength(2);
  });

  it('is not taken from somebody who wrote its mark', async () => {
    const job = reply(started);
    await say(job);
    const [first] = ours();
    ground.widget.comments = [];
    ground.github.make.comment(ground.widget, pull.number, ground.mallory, first?.body ?? '');
    made = {};
    await again(job);
    expect(ours()).toHaveLength(1);
  });

  it('that somebody deleted comes back for the answer, and for nothing else', async () => {
    await say(reply(started));
    ground.widget.comments = [];
    await expect(say(reply({ type: 'progress', text: 'a' }))).rejects.toMatchObject({ status: 404 });
    await say(reply({ type: 'answer', text: 'done' }));
    expect(texts()).toEqual(['done']);
  });

  it('needs no check where the App may make none', async () => {
    ground.installation.permissions = { ...ground.installation.permissions, checks: 'read' };
    const { app } = ground;
    place = new GithubPlace(await asInstallation(ground), here(), {
      slug: app.slug,
      appId: String(app.id),
    });
    expect(await say(reply(started))).toMatchObject({ outcome: 'sent' });
    expect(ground.widget.checkRuns).toEqual([]);
  });

  it('takes an answer of any length', async () => {
    await say(reply(started));
    expect(await say(reply({ type: 'answer', text: 'a\n'.repeat(100_000) }))).toMatchObject({
      outcome: 'sent',
    });
  });
});

describe('a question on a line', () => {
  it('is answered there, once, and the status leads there', async () => {
    const { github, widget, alice } = ground;
    const first = github.make.comment(widget, pull.number, alice, 'odd', { path: 'README.md' });
    const inReplyToId = first.id;
    const asked = github.make.comment(widget, pull.number, alice, 'why?', { path: 'README.md', inReplyToId });
    const about = { askKey: '1/review/2', commentId: String(asked.id), commentKind: 'review-comment' };
    await say(reply(started, about));
    const answer = reply({ type: 'answer', text: 'Because.' }, about);
    const match = { path: `/api/v3/repos/acme/widget/pulls/${pull.number}/comments/${first.id}/replies` };
    github.fail({ mode: 'lost-answer', times: 1, match });
    await expect(say(answer)).rejects.toThrow();
    await again(answer);
    await again(answer);
    const inline = ours().find(({ kind }) => kind === 'review');
    expect(inline?.review?.inReplyToId).toBe(first.id);
    expect(texts().sort()).toEqual([
      `Answered [in the discussion](http://github.test/acme/widget/pull/${pull.number}#discussion_r${inline?.id}).`,
      'Because.',
    ]);
  });
});

describe('what is said beside it', () => {
  it('is a comment of its own, once', async () => {
    const person = { externalId: '5', handle: 'mallory' };
    const job = reply({ type: 'connect', url: 'http://berth.test/connect/github/t', person });
    const match = { path: `/api/v3/repos/acme/widget/issues/${pull.number}/comments` };
    ground.github.fail({ mode: 'lost-answer', times: 1, match });
    await expect(say(job)).rejects.toThrow();
    await again(job);
    await say(reply({ type: 'refused', text: 'You may not write here.' }));
    expect(texts()).toEqual([
      'I do not know yet who you are here, mallory, so I cannot work for you. [Connect your GitHub account](http://berth.test/connect/github/t): then I go on by myself.',
      'You may not write here.',
    ]);
  });

  it('tells of a pull request that was opened, and not of what GitHub shows itself', async () => {
    const opened = {
      type: 'pull-request',
      url: 'http://github.test/acme/widget/pull/9',
      title: '[x](y)',
    } as const;
    await say(reply({ ...opened, number: 9, updated: false }));
    expect(await say(reply({ ...opened, number: 9, updated: true }))).toMatchObject({ outcome: 'dropped' });
    expect(await say(reply({ ...opened, number: pull.number, updated: false }))).toMatchObject({
      outcome: 'dropped',
    });
    expect(texts()).toEqual(['Opened [\\#9 \\[x\\](y)](http://github.test/acme/widget/pull/9).']);
  });
});

describe('what GitHub refuses with', () => {
  const failure = async (call: () => Promise<unknown>) => {
    const error: unknown = await call().catch((caught: unknown) => caught);
    return failureOf(error, 0, ground.now);
  };

  it('is a limit, something that is gone, or what is not allowed', async () => {
    ground.github.limits.contentsPerMinute = 0;
    const limit = await failure(() => place.comment(pull.number, 'b'));
    if (limit.kind !== 'limited') throw new Error(limit.kind);
    expect(limit.retryAfterSeconds).toBeGreaterThan(0);
    expect(limit.retryAfterSeconds).toBeLessThanOrEqual(60);
    ground.github.limits.contentsPerMinute = 80;
    expect(await failure(() => place.comment(999, 'a'))).toEqual({ kind: 'missing' });
    expect(await failure(() => place.comment(pull.number, 'a'.repeat(65_537)))).toEqual({
      kind: 'refused',
      status: 422,
    });
    ground.github.limits.perHour = 0;
    expect(await failure(() => place.comment(pull.number, 'c'))).toMatchObject({ kind: 'limited' });
  });
});
