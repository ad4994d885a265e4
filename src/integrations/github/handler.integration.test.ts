import { randomUUID } from 'node:crypto';
import { startGithubGround, type GithubGround } from '../../../test/emulators/github-ground.js';
import type { GithubComment, GithubPull, GithubUser } from '../../../test/emulators/github-world.js';
import { loginEndpoints, type TestMember } from '../../../test/support/app.js';
import { API_KEY, Bench } from '../../../test/support/bench.js';
import { tieGithub } from '../../../test/support/connections.js';
import { eventually } from '../../../test/support/eventually.js';
import { deliver, fromGithub } from '../../../test/support/webhooks.js';
import { ExternalAccounts } from '../../identity/index.js';
import { BerthError, systemClock } from '../../kernel/index.js';
import type { Handled } from '../../triggers/index.js';
import { GithubEvents } from './github-events.js';
import { GithubHandler } from './handler.js';

type Body = Record<string, unknown>;

let ground: GithubGround;
let bench: Bench;
let handler: GithubHandler;
let pull: GithubPull;

beforeAll(async () => {
  ground = await startGithubGround();
  const { github } = ground;
  // GitHub looks at the time in the App's signature.
  bench = await Bench.start({
    ...{ worker: true, clock: systemClock },
    parts: { loginEndpoints: loginEndpoints({ github }) },
  });
  await tieGithub(bench.app.database.ownerUrl, bench.organization.id, String(ground.installation.id));
  await bench.sql(
    `INSERT INTO github_repository (organization_id, installation_id, repository_id, full_name, private, updated_at)
     VALUES ($1, $2, $3, 'acme/widget', true, now())`,
    [bench.organization.id, ground.installation.id, ground.widget.id],
  );
  handler = bench.app.app.get(GithubHandler, { strict: false });
  await link(bench.owner, ground.alice);
});
afterAll(async () => {
  await bench.close();
  await ground.close();
});
/** Each test has a pull request, and so a conversation, of its own. */
beforeEach(async () => {
  const { github, widget, alice } = ground;
  pull = await github.make.pull(widget, alice, { head: `feature-${widget.nextNumber}` });
});

async function link({ userId }: TestMember, user: GithubUser): Promise<void> {
  const accounts = bench.app.app.get(ExternalAccounts, { strict: false });
  const person = {
    ...{ system: 'github' as const, externalId: String(user.id), handle: user.login, name: null },
    ...{ email: null, emailProven: false, isApp: false, isActive: true },
  };
  await bench.app.parts.database.tenant(bench.organization.id, (tenant) =>
    accounts.link(tenant, { userId, person, proof: 'authorization' }),
  );
}

/** Somebody who may write to the repository, as a member or not. */
function writer(login: string): GithubUser {
  const user = ground.github.make.user(login);
  ground.widget.collaborators.set(user.id, 'write');
  return user;
}

const handle = (event: string, body: Body): Promise<Handled> =>
  handler.handle({
    organizationId: bench.organization.id,
    id: randomUUID(),
    event,
    action: typeof body.action === 'string' ? body.action : null,
    body,
  });
const say = (text: string, user = ground.alice, number = pull.number): GithubComment =>
  ground.github.make.comment(ground.widget, number, user, text);
const commented = (comment: GithubComment, from?: string): Promise<Handled> =>
  handle('issue_comment', ground.github.events.issueComment(ground.widget, comment, from));
const ask = (text: string, user = ground.alice): Promise<Handled> => commented(say(text, user));

async function messages(workspaceId = ''): Promise<string[]> {
  const found = await bench.sql('SELECT text FROM message WHERE workspace_id = $1 ORDER BY seq', [
    workspaceId,
  ]);
  return found.map(({ text }) => String(text));
}

async function replies(): Promise<{ type: string; about: Body; text?: string }[]> {
  const found = await bench.sql(
    'SELECT r.content FROM reply r JOIN conversation c ON c.id = r.conversation_id WHERE c.key LIKE $1 ORDER BY r.seq',
    [`%/${pull.number}`],
  );
  return found.map(({ content }) => {
    const { content: said, about } = content as { content: { type: string }; about: Body };
    return { ...said, about };
  });
}

describe('a mention by a member who may write', () => {
  it('starts a workspace on the branch of the pull request, once however often it is delivered', async () => {
    const comment = say('@berth-acme rename the handler');
    const all = await Promise.all(Array.from({ length: 10 }, () => commented(comment)));
    const started = all.filter(({ outcome }) => outcome === 'started');
    expect(started).toHaveLength(1);
    expect(all.filter(({ outcome }) => outcome === 'already-done')).toHaveLength(9);
    const [{ workspaceId = '' } = {}] = started;
    const made = await bench.api.workspace(workspaceId);
    expect(made).toMatchObject({
      ...{
        repository: 'acme/widget',
        branch: pull.head?.ref,
        name: `widget#${pull.number} A change`,
      },
      origin: { type: 'github' },
      owner: { id: bench.owner.userId },
    });
    const [text = ''] = await messages(workspaceId);
    expect(text).toMatch(/^rename the handler\n\n---\n/);
    expect(text).toContain(`"number": ${pull.number}`);
    // The WORKFLOW.md of the default branch.
    const [row] = await bench.sql('SELECT instructions FROM workspace WHERE id = $1', [workspaceId]);
    expect(row?.instructions).toContain('Be kind.');
    expect((await replies())[0]).toMatchObject({
      type: 'seen',
      about: { commentId: String(comment.id), commentKind: 'issue-comment' },
    });
  });

  it('that came by the signed webhook is seen at once, and told in one comment', async () => {
    const { github, widget, app } = ground;
    const comment = say('@berth-acme rename the handler');
    const body = github.events.issueComment(widget, comment);
    const { status } = await deliver(
      bench.app.url,
      fromGithub(app.webhookSecret ?? '', 'issue_comment', body),
    );
    expect(status).toBe(200);
    expect((await deliver(bench.app.url, fromGithub('another', 'issue_comment', body))).status).toBe(401);
    await eventually('a check', () => ground.widget.checkRuns.some(isHere));
    expect(comment.reactions).toMatchObject([{ content: 'eyes', user: { login: 'berth-acme[bot]' } }]);
    expect(ours()).toHaveLength(1);
    expect(ours()[0]?.body).toContain('Working on it');
    expect(ground.widget.checkRuns.filter(isHere)).toMatchObject([{ status: 'in_progress' }]);
  });

  it('goes on in the same workspace later', async () => {
    const reads = () =>
      ground.github.requests.filter(({ path }) => path.endsWith('/contents/WORKFLOW.md')).length;
    const before = reads();
    const first = await ask('@berth-acme rename the handler');
    expect(reads()).toBe(before + 1);
    const second = await ask('@berth-acme and add a test');
    expect(second).toEqual({ outcome: 'continued', workspaceId: first.workspaceId });
    // What a workspace is made of is of no concern any more, and of none to who only gets a link.
    expect((await ask('@berth-acme me too', writer(`stranger-${pull.number}`))).outcome).toBe(
      'awaiting-link',
    );
    expect(reads()).toBe(before + 1);
    expect(await messages(first.workspaceId)).toHaveLength(2);
  });

  it('is heard in an edit, once', async () => {
    const comment = say('please');
    expect((await commented(comment)).outcome).toBe('ignored-no-mention');
    comment.body = '@berth-acme please';
    expect((await commented(comment, 'please')).outcome).toBe('started');
    expect((await commented(comment, 'please')).outcome).toBe('already-done');
    expect((await commented(comment, '@berth-acme pleas')).outcome).toBe('ignored-mentioned-before');
  });

  it('is one request in a review, whichever of its deliveries comes first', async () => {
    const { github, widget, alice } = ground;
    for (const isReversed of [false, true]) {
      pull = await github.make.pull(widget, alice, { head: `feature-${widget.nextNumber}` });
      const { number } = pull;
      const review = github.make.review(widget, number, alice, '@berth-acme please');
      const on = { path: 'README.md', reviewId: review.id };
      const comments = ['@berth-acme rename this', 'and this'].map((text) =>
        github.make.comment(widget, number, alice, text, on),
      );
      const deliveries: [string, Body][] = [
        ['pull_request_review', await github.events.review(widget, review)],
      ];
      for (const comment of comments)
        deliveries.push(['pull_request_review_comment', await github.events.reviewComment(widget, comment)]);
      if (isReversed) deliveries.reverse();
      const outcomes: Handled[] = [];
      for (const [event, body] of [...deliveries, ...deliveries]) outcomes.push(await handle(event, body));
      expect(outcomes.map(({ outcome }) => outcome).filter((outcome) => outcome === 'started')).toHaveLength(
        1,
      );
      const [text = '', ...others] = await messages(
        outcomes.find(({ workspaceId }) => workspaceId)?.workspaceId,
      );
      expect(others).toEqual([]);
      expect(text).toMatch(/^please\n/);
      expect(text).toMatch(/"text": "rename this"[^]*"text": "and this"/);
      expect((await replies())[0]?.about).toMatchObject({ commentId: review.nodeId, commentKind: 'review' });
    }
  });

  it('on a line is asked with its place and what was said there before', async () => {
    const { github, widget, alice } = ground;
    const first = github.make.comment(widget, pull.number, alice, 'odd', { path: 'README.md', line: 3 });
    const comment = github.make.comment(widget, pull.number, alice, '@berth-acme', {
      ...{ path: 'README.md', line: 3 },
      inReplyToId: first.id,
    });
    const { outcome, workspaceId } = await handle(
      'pull_request_review_comment',
      await github.events.reviewComment(widget, comment),
    );
    expect(outcome).toBe('started');
    const [text = ''] = await messages(workspaceId);
    expect(text).toMatch(/^Do what this discussion asks for\.[^]*"file": "README.md"[^]*"text": "odd"/);
    expect((await replies())[0]?.about).toMatchObject({ commentKind: 'review-comment' });
  });

  it('without a request is asked for one', async () => {
    expect((await ask('@berth-acme')).outcome).toBe('refused-empty-request');
    expect(await replies()).toMatchObject([
      { type: 'refused', text: expect.stringContaining('what I should do') as string },
    ]);
  });

  it('on an issue starts on the default branch', async () => {
    const issue = await ground.github.make.pull(ground.widget, ground.alice, { head: null, title: 'Broken' });
    const { outcome, workspaceId = '' } = await commented(say('@berth-acme', ground.alice, issue.number));
    expect(outcome).toBe('started');
    expect((await bench.api.workspace(workspaceId)).branch).toMatch(/^berth\//);
    expect((await messages(workspaceId))[0]).toMatch(/^Do what this issue asks for\./);
  });

  it('on a fork, or on what is closed, is read and answered, and nothing is pushed', async () => {
    const { github, widget, mallory } = ground;
    const fork = await github.make.repository(mallory, `fork-${widget.nextNumber}`, { parent: widget });
    pull = await github.make.pull(widget, mallory, { head: 'patch', headRepository: fork });
    const forked = await ask('@berth-acme is this right?');
    pull = await github.make.pull(widget, ground.alice, { head: `old-${widget.nextNumber}` });
    pull.state = 'closed';
    const closed = await ask('@berth-acme why was it closed?');
    for (const { outcome, workspaceId } of [forked, closed]) {
      expect(outcome).toBe('started');
      const [row] = await bench.sql('SELECT read_only, ref FROM workspace WHERE id = $1', [workspaceId]);
      expect(row).toEqual({
        read_only: true,
        ref: expect.stringMatching(/^refs\/pull\/\d+\/head$/) as string,
      });
      expect((await messages(workspaceId))[0]).toContain('You can read this code and answer.');
    }
  });
});

describe('a mention that was taken back', () => {
  const deleted = (comment: GithubComment, sender = ground.alice): Promise<Handled> => {
    const body = ground.github.events.issueComment(ground.widget, comment);
    const who = { ...(body.sender as Body), id: sender.id, login: sender.login };
    return handle('issue_comment', { ...body, action: 'deleted', sender: who });
  };
  const states = async (workspaceId = ''): Promise<string[]> =>
    (await bench.api.messages(workspaceId)).map(({ state }) => state);

  it('does not begin, told in whichever order', async () => {
    const [one, other] = [say('@berth-acme rename it'), say('@berth-acme and test it')];
    expect((await deleted(one)).outcome).toBe('withdrawn');
    expect((await commented(one)).outcome).toBe('already-done');
    expect((await deleted(one)).outcome).toBe('withdrawn');
    expect(await replies()).toEqual([]);
    const { outcome, workspaceId } = await commented(other);
    expect(outcome).toBe('started');
    const more = await ask('@berth-acme and this');
    expect(more).toEqual({ outcome: 'continued', workspaceId });
    // Whoever may delete it does.
    expect(await deleted(other, ground.mallory)).toEqual({ outcome: 'withdrawn', workspaceId });
    expect((await deleted(other)).outcome).toBe('already-done');
    expect(await states(workspaceId)).toEqual(['canceled', 'queued']);
    expect((await replies()).filter(({ type }) => type === 'stopped')).toMatchObject([
      {
        text: 'Stopped: the comment that asked for it was deleted.',
        about: { askKey: expect.any(String) as string },
      },
    ]);
  });

  it('and what says nothing to the bot is no matter', async () => {
    expect((await deleted(say('thanks'))).outcome).toBe('ignored-no-mention');
    expect(await replies()).toEqual([]);
  });

  it('on a pull request that was closed before it is told is read, whatever its delivery says', async () => {
    const body = ground.github.events.issueComment(ground.widget, say('@berth-acme rename it'));
    pull.state = 'closed';
    const { outcome, workspaceId } = await handle('issue_comment', body);
    expect(outcome).toBe('started');
    expect(await bench.sql('SELECT read_only FROM workspace WHERE id = $1', [workspaceId])).toEqual([
      { read_only: true },
    ]);
  });
});

describe('a mention by somebody else', () => {
  it('who is no member has one link, and is done by itself once they are connected', async () => {
    const carl = writer('carl');
    const comment = say('@berth-acme rename the handler', carl);
    expect((await commented(comment)).outcome).toBe('awaiting-link');
    expect((await commented(comment)).outcome).toBe('awaiting-link');
    expect((await ask('@berth-acme are you there?', carl)).outcome).toBe('awaiting-link');
    expect((await replies()).map(({ type }) => type)).toEqual(['connect']);
    const member = await bench.app.member(bench.organization, 'member');
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    await link(member, carl);
    const { outcome, workspaceId = '' } = await commented(comment);
    expect(outcome).toBe('started');
    const [{ owner_id: ownerId } = {}] = await bench.sql('SELECT owner_id FROM workspace WHERE id = $1', [
      workspaceId,
    ]);
    expect(ownerId).toBe(member.userId);
  });

  it('who may not write there is told so', async () => {
    const dora = ground.github.make.user('dora');
    ground.widget.collaborators.set(dora.id, 'read');
    await link(await bench.app.member(bench.organization, 'member'), dora);
    expect((await ask('@berth-acme rename it', dora)).outcome).toBe('refused-no-write-permission');
    expect(await replies()).toMatchObject([{ type: 'refused' }]);
  });

  it('whose login is another person by now may nothing by it', async () => {
    const erin = writer('erin');
    await link(await bench.app.member(bench.organization, 'member'), erin);
    const body = ground.github.events.issueComment(ground.widget, say('@berth-acme rename it', erin));
    erin.login = 'erin-that-was';
    writer('erin');
    expect((await handle('issue_comment', body)).outcome).toBe('refused-no-write-permission');
  });

  it('a stranger on a fork, is nothing', async () => {
    const { github, widget, mallory } = ground;
    const fork = await github.make.repository(mallory, `fork-${widget.nextNumber}`, { parent: widget });
    pull = await github.make.pull(widget, mallory, { head: 'patch', headRepository: fork });
    expect((await ask('@berth-acme merge this', mallory)).outcome).toBe('ignored-stranger-on-fork');
    expect(await replies()).toEqual([]);
  });

  it('a bot, or ourselves, asks GitHub for nothing', async () => {
    const calls = ground.github.requests.length;
    const bot = ground.github.make.user('renovate[bot]', { type: 'Bot' });
    expect((await ask('@berth-acme rename it', bot)).outcome).toBe('ignored-bot');
    expect((await ask('@berth-acme rename it', ground.app.bot)).outcome).toBe('ignored-own');
    expect((await ask('> @berth-acme rename it')).outcome).toBe('ignored-no-mention');
    expect(ground.github.requests.length).toBe(calls);
  });
});

describe('when GitHub is not to be reached', () => {
  it('it comes again', async () => {
    for (const failure of [{ status: 502 }, { status: 429, headers: { 'retry-after': '7' } }]) {
      const comment = say('@berth-acme rename it');
      ground.github.fail({
        mode: 'status',
        times: 1,
        match: { path: '/api/v3/repos/acme/widget/collaborators' },
        ...failure,
      });
      const error = await commented(comment).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(BerthError);
      expect((error as BerthError).retryAfterSeconds).toBe(failure.status === 429 ? 7 : 15);
      expect((await commented(comment)).workspaceId).toBeDefined();
    }
  });

  it('for an installation that is suspended, nothing is done', async () => {
    const comment = say('@berth-acme rename it');
    await bench.sql('UPDATE github_installation SET suspended_at = now()', []);
    expect((await commented(comment)).outcome).toBe('ignored-installation-suspended');
    await bench.sql('UPDATE github_installation SET suspended_at = NULL', []);
  });
});

describe('other events', () => {
  it('go to who asked for them, or have a name', async () => {
    expect((await handle('push', { action: null })).outcome).toBe('ignored-event');
    bench.app.app
      .get(GithubEvents, { strict: false })
      .on('push', ({ event }) => Promise.resolve(`told-${event}`));
    expect((await handle('push', {})).outcome).toBe('told-push');
  });
});

const ours = (): GithubComment[] =>
  ground.widget.comments.filter(({ number, user }) => number === pull.number && user === ground.app.bot);
const isHere = ({ headSha }: { headSha: string }): boolean => headSha === pull.head?.lastSha;
