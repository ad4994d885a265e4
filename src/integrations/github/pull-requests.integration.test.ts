import { startGithubGround, type GithubGround } from '../../../test/emulators/github-ground.js';
import type { GithubInstallation, GithubRepository } from '../../../test/emulators/github-world.js';
import { loginEndpoints } from '../../../test/support/app.js';
import { Bench, type PlayedWorkspace } from '../../../test/support/bench.js';
import { writeConversation } from '../../../test/support/conversations.js';
import type { ClaimedTurn } from '../../contracts/index.js';
import { GithubInstallations } from '../../credentials/index.js';
import { PullRequestJobs, PullRequests } from '../../triggers/index.js';
import { pullRequestMoved } from './pull-request-events.js';
import { pullKey } from './pull-requests.js';

describe('pull requests of work', () => {
  let bench: Bench;
  let ground: GithubGround;

  beforeAll(async () => {
    ground = await startGithubGround();
    bench = await Bench.start({ parts: { loginEndpoints: loginEndpoints({ github: ground.github }) } });
    // GitHub looks at the time in what the App signs.
    ground.now = bench.clock.now();
    await tie(ground.installation, ground.widget);
  });
  beforeEach(() => {
    ground.widget.pulls.clear();
    ground.github.reset();
  });
  afterAll(async () => {
    await ground.close();
    await bench.close();
  });

  /** As the connection to GitHub does it. */
  async function tie(installation: GithubInstallation, repository: GithubRepository): Promise<void> {
    const { owner, organization, app } = bench;
    const actor = {
      ...{ organizationId: organization.id, userId: owner.userId, name: owner.name, email: owner.email },
      ...{ role: owner.role, via: { type: 'external-account' as const, id: bench.newId() } },
    };
    const facts = {
      ...{ installationId: String(installation.id), accountId: String(installation.account.id) },
      ...{ accountLogin: 'acme', accountType: 'Organization', selection: installation.selection },
      ...{ permissions: installation.permissions, suspendedAt: null },
    };
    const reached = {
      ...{ repositoryId: String(repository.id), fullName: 'acme/widget', defaultBranch: 'main' },
      ...{ private: true, archived: false },
    };
    await app.app
      .get(GithubInstallations, { strict: false })
      .tie(actor, facts, [reached], () => Promise.resolve());
  }

  const jobs = () => bench.app.app.get(PullRequestJobs, { strict: false });
  const attend = (id: string) => jobs().attend(bench.organization.id, id);
  const pulls = () => [...ground.widget.pulls.values()];
  const branchOf = (id: string) => `berth/${id.slice(-8)}`;
  const opened = async (id: string) =>
    (await bench.api.events(id)).filter(({ type }) => type === 'pull_request.opened');
  const posts = () =>
    ground.github.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/pulls'));

  async function asked(
    message = 'Fix the login',
    repository = 'acme/widget',
  ): Promise<PlayedWorkspace & { turn: ClaimedTurn }> {
    const played = await bench.running({ repository, message });
    return { ...played, turn: await played.runner.claim() };
  }

  /** The runner has pushed, and says so. */
  async function push(
    { id, runner, turn }: PlayedWorkspace & { turn: ClaimedTurn },
    branch = branchOf(id),
  ): Promise<string> {
    const commit = await ground.github.git.commit(ground.widget, branch, { 'a.txt': bench.newId() });
    const { turnId, attemptId } = turn;
    await runner.report({ type: 'git.pushed', turnId, attemptId, branch, commit });
    return commit;
  }

  it('are opened once for what was pushed, told once, and talked about with the same workspace', async () => {
    const work = await asked();
    const linear = await writeConversation(bench.app.database.ownerUrl, bench.organization.id, {
      system: 'linear',
      key: 'session/1',
      workspace_id: work.id,
    });
    await push(work);
    await Promise.all([attend(work.id), attend(work.id), attend(work.id)]);
    await attend(work.id);

    const [pull, ...more] = pulls();
    expect(more).toEqual([]);
    expect(pull).toMatchObject({ title: 'Fix the login', base: 'main', state: 'open', draft: false });
    expect(pull?.head?.ref).toBe(branchOf(work.id));
    expect(pull?.body).toContain(`/workspaces/${work.id}`);
    expect(pull?.body).toContain('```text\nFix the login\n```');
    expect(pull?.user.login).toBe('berth-acme[bot]');
    const url = (await bench.api.workspace(work.id)).pullRequestUrl;
    expect(url).toMatch(/\/acme\/widget\/pull\/\d+$/);
    expect((await opened(work.id)).map(({ data }) => data)).toEqual([
      { number: pull?.number, url, title: 'Fix the login', branch: branchOf(work.id), base: 'main' },
    ]);
    const key = pullKey(String(ground.widget.id), pull?.number ?? 0);
    const rows = await bench.sql('SELECT id, key, workspace_id, event_cursor FROM conversation ORDER BY key');
    const { lastEventSeq } = { lastEventSeq: (await bench.api.events(work.id)).at(-1)?.seq };
    expect(rows).toMatchObject([
      { key, workspace_id: work.id, event_cursor: lastEventSeq },
      { id: linear, workspace_id: work.id },
    ]);
  });

  it('say more after the next turn, and keep what people wrote around it', async () => {
    const work = await asked();
    await push(work);
    await attend(work.id);
    const [pull] = pulls();
    if (!pull) throw new Error('there is none');
    pull.body = `Reviewers: look at a.txt.\n\n${pull.body ?? ''}`;
    const { runner, proxy } = work;
    await proxy.report(proxy.served(await proxy.lease()));
    await runner.report(runner.finished(work.turn));
    await bench.api.send(work.id, 'and the logout, @berth-acme');
    await push({ ...work, turn: await runner.claim() });
    await attend(work.id);
    await attend(work.id);

    expect(pulls()).toHaveLength(1);
    expect(pull.body).toMatch(
      /^Reviewers: look at a\.txt\.\n\n[^]*```text\nand the logout, @berth-acme\n```/,
    );
    expect(await opened(work.id)).toHaveLength(1);
    expect(ground.github.sent.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
  });

  it('are found again where the answer was lost, or a person had opened it, whose words are left alone', async () => {
    const work = await asked('Lost');
    await push(work);
    ground.github.fail({
      mode: 'lost-answer',
      match: { method: 'POST', path: '/api/v3/repos/acme/widget/pulls' },
    });
    await expect(attend(work.id)).rejects.toMatchObject({ code: 'not-ready' });
    expect(pulls()).toHaveLength(1);
    await attend(work.id);
    expect(pulls()).toHaveLength(1);
    expect(posts()).toHaveLength(1);
    expect(await opened(work.id)).toHaveLength(1);

    const other = await asked('Other');
    const theirs = await ground.github.make.pull(ground.widget, ground.alice, {
      head: branchOf(other.id),
      body: 'Mine.',
    });
    await push(other);
    await attend(other.id);
    await push(other);
    await attend(other.id);
    expect((await bench.api.workspace(other.id)).pullRequestUrl).toMatch(
      new RegExp(`/pull/${theirs.number}$`),
    );
    expect(theirs.body).toBe('Mine.');
  });

  it('are not asked for where nothing reaches the repository, of other branches, and of code of strangers', async () => {
    const elsewhere = await asked('x', 'acme/gadget');
    await push(elsewhere);
    const forged = await asked();
    await push(forged, 'main');
    const strangers = await asked();
    await bench.sql('UPDATE workspace SET read_only = true WHERE id = $1', [strangers.id]);
    await push(strangers);
    for (const { id } of [elsewhere, forged, strangers]) {
      await attend(id);
      const [row] = await bench.sql('SELECT pull_request FROM workspace WHERE id = $1', [id]);
      expect(row).toEqual({ pull_request: null });
    }
    expect(pulls()).toEqual([]);
  });

  it('go into the branch that work was for and may not go to', async () => {
    const { github, widget } = ground;
    await github.git.commit(widget, 'fix/it', { 'b.txt': 'b' });
    const work = await asked();
    await bench.sql("UPDATE workspace SET branch = 'fix/it' WHERE id = $1", [work.id]);
    await push(work, 'fix/it');
    await attend(work.id);
    expect(pulls()).toEqual([]);
    await push(work);
    await attend(work.id);
    expect(pulls()).toMatchObject([{ base: 'fix/it', head: { ref: branchOf(work.id) } }]);
    expect(await bench.api.workspace(work.id)).toMatchObject({ branch: branchOf(work.id), ref: 'fix/it' });
  });

  it('end with people: a merged one has a successor, and one that was closed has none', async () => {
    /** As GitHub tells of it. */
    const moved = (action: 'closed' | 'reopened', number: number, merged = false) =>
      pullRequestMoved(
        {
          ...{ organizationId: bench.organization.id, id: bench.newId(), event: 'pull_request', action },
          body: { action, repository: { id: ground.widget.id }, pull_request: { number, merged } },
        },
        bench.app.parts.database,
        bench.app.app.get(PullRequests, { strict: false }),
      );
    const work = await asked();
    await push(work);
    await attend(work.id);
    const [first] = pulls();
    if (!first) throw new Error('there is none');
    first.state = 'closed';
    expect(await moved('closed', first.number, true)).toBe('pull-request-merged');
    await push(work);
    await attend(work.id);
    const [, second] = pulls();
    expect(second?.state).toBe('open');
    expect(await moved('closed', first.number)).toBe('ignored-pull-request');
    if (second) second.state = 'closed';
    await push(work);
    // Nobody told of it: it is seen when it is to be told of more.
    await attend(work.id);
    await push(work);
    await attend(work.id);
    expect(pulls()).toHaveLength(2);
    expect(await opened(work.id)).toHaveLength(2);
    expect(await moved('reopened', second?.number ?? 0)).toBe('pull-request-reopened');
    await bench.api.call('DELETE', bench.api.path(`/workspaces/${work.id}`), undefined, 202);
    await attend(work.id);
  });

  it('wait for an installation that is suspended, and are opened and told of more when it is back', async () => {
    const { system } = bench.app.parts;
    const suspend = (at: Date | null) => bench.sql('UPDATE github_installation SET suspended_at = $1', [at]);
    const sweep = async (): Promise<number> => {
      const back = await system.pullRequests.back(10);
      for (const { workspaceId } of back) await attend(workspaceId);
      return back.length;
    };
    const [before, during, open] = [await asked('Before'), await asked('During'), await asked('Open')];
    await push(open);
    await attend(open.id);
    await push(before);
    await suspend(bench.clock.now());
    await push(during);
    await push(open);
    for (const { id } of [before, during, open]) await attend(id);
    expect(pulls()).toHaveLength(1);
    expect([await system.pullRequests.due(10), await system.pullRequests.back(10)]).toEqual([[], []]);
    const changes = () => ground.github.sent.filter(({ method }) => method === 'PATCH').length;
    const told = changes();
    await suspend(null);
    expect(await sweep()).toBe(3);
    expect(
      pulls()
        .map(({ title }) => title)
        .sort(),
    ).toEqual(['Before', 'During', 'Open']);
    expect(changes()).toBe(told + 1);
    for (const { id } of [before, during, open]) expect(await opened(id)).toHaveLength(1);
    expect([await sweep(), await system.pullRequests.due(10)]).toEqual([0, []]);
  });

  it('that cannot be are said, and their jobs are found when they are lost', async () => {
    const nothing = await asked();
    const main = (await ground.github.git.sha(ground.widget, 'refs/heads/main')) ?? '';
    const { turnId, attemptId } = nothing.turn;
    await ground.github.git.commit(ground.widget, branchOf(nothing.id), {});
    const pushed = {
      type: 'git.pushed' as const,
      turnId,
      attemptId,
      branch: branchOf(nothing.id),
      commit: main,
    };
    await nothing.runner.report(pushed);
    ground.github.fail({ status: 403, match: { method: 'POST', path: '/api/v3/repos/acme/widget/pulls' } });
    await attend(nothing.id);
    const [said] = (await bench.api.events(nothing.id)).filter(({ type }) => type === 'git.failed');
    expect(said?.data).toMatchObject({
      code: 'pull-request-refused',
      message: expect.stringContaining('Check the permissions of its App') as string,
    });
    await attend(nothing.id);
    expect(pulls()).toEqual([]);

    const lost = await asked();
    await push(lost);
    const due = await bench.app.parts.system.pullRequests.due(10);
    expect(due).toEqual([{ organizationId: bench.organization.id, workspaceId: lost.id }]);
    await attend(lost.id);
    expect(await bench.app.parts.system.pullRequests.due(10)).toEqual([]);
  });
});
