import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { App, type Octokit } from 'octokit';
import {
  asInstallation,
  octokitApp,
  quietOctokit,
  startGithubGround,
  statusOf,
  type GithubGround,
} from './github-ground.js';

let ground: GithubGround;
beforeEach(async () => {
  ground = await startGithubGround();
});
afterEach(() => ground.close());

const place = { owner: 'acme', repo: 'widget' };
const withToken = (auth: string): Octokit => new (quietOctokit(ground))({ auth });

describe('the App', () => {
  it('is made by a manifest whose code serves once, and is signed in by its key', async () => {
    const { github, alice } = ground;
    github.browser.user = alice;
    const manifest = {
      name: 'Berth of Acme',
      url: 'http://berth.test',
      redirect_url: 'http://berth.test/made',
      hook_attributes: { url: 'http://berth.test/hook' },
      default_permissions: { contents: 'write', emails: 'read' },
      default_events: ['issue_comment'],
    };
    const post = (fields: object) =>
      fetch(`${github.url}/organizations/acme/settings/apps/new?state=s1`, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ manifest: JSON.stringify({ ...manifest, ...fields }) }),
      });
    const back = new URL((await post({})).headers.get('location') ?? '');
    expect([back.pathname, back.searchParams.get('state')]).toEqual(['/made', 's1']);
    const code = back.searchParams.get('code') ?? '';
    const { data } = await new (quietOctokit(ground))().rest.apps.createFromManifest({ code });
    expect(data).toMatchObject({
      slug: 'berth-of-acme',
      owner: { login: 'acme' },
      permissions: { contents: 'write' },
    });
    expect(await statusOf(new (quietOctokit(ground))().rest.apps.createFromManifest({ code }))).toBe(404);
    const made = new App({ appId: data.id, privateKey: data.pem, Octokit: quietOctokit(ground) });
    expect((await made.octokit.rest.apps.getAuthenticated()).data?.slug).toBe('berth-of-acme');
    expect((await post({ default_permissions: { email_addresses: 'read' } })).status).toBe(422);
    expect((await post({ default_events: ['installation'] })).status).toBe(422);
  });

  it('takes a JWT of ten minutes, of its own key, and no other', async () => {
    const { github, acme, app } = ground;
    const seconds = Math.floor(ground.now.getTime() / 1000);
    const jwt = (pem: string, iat: number, exp: number, iss = String(app.id)): Promise<string> =>
      new SignJWT({ iss, iat, exp }).setProtectedHeader({ alg: 'RS256' }).sign(createPrivateKey(pem));
    const other = github.make.app({ slug: 'other', owner: acme });
    const ask = async (token: string): Promise<number> =>
      (await fetch(`${github.apiUrl}/app`, { headers: { authorization: `bearer ${token}` } })).status;
    expect(await ask(await jwt(app.pem, seconds - 30, seconds + 570))).toBe(200);
    expect(await ask(await jwt(app.pem, seconds - 30, seconds + 700))).toBe(401);
    expect(await ask(await jwt(app.pem, seconds + 60, seconds + 500))).toBe(401);
    expect(await ask(await jwt(app.pem, seconds - 700, seconds - 100))).toBe(401);
    expect(await ask(await jwt(other.pem, seconds - 30, seconds + 570))).toBe(401);
    expect(await ask(await jwt(app.pem, seconds, seconds + 60, '7'))).toBe(404);
  });

  it('gives tokens narrowed to what was asked, and never more', async () => {
    const { github, widget, gadget, app, installation } = ground;
    const { rest } = octokitApp(ground).octokit;
    const ask = (narrowed: object) =>
      rest.apps.createInstallationAccessToken({ installation_id: installation.id, ...narrowed });
    const { data } = await ask({ repository_ids: [widget.id], permissions: { contents: 'read' } });
    expect(data.token).toMatch(new RegExp(`^ghs_${app.id}_[\\w.-]{400,600}$`));
    expect(data.permissions).toEqual({ metadata: 'read', contents: 'read' });
    const narrow = withToken(data.token);
    expect(await statusOf(narrow.rest.repos.getContent({ ...place, path: 'WORKFLOW.md' }))).toBe(200);
    const comment = { ...place, issue_number: 1, body: 'x' };
    expect(await statusOf(narrow.rest.issues.createComment(comment))).toBe(403);
    expect(await statusOf(ask({ repository_ids: [gadget.id] }))).toBe(422);
    expect(await statusOf(ask({ repositories: ['gadget'] }))).toBe(422);
    expect(await statusOf(ask({ permissions: { workflows: 'write' } }))).toBe(422);
    expect(await statusOf(ask({ permissions: { members: 'write' } }))).toBe(422);
    expect(await statusOf(narrow.rest.apps.revokeInstallationAccessToken())).toBe(204);
    expect(await statusOf(narrow.rest.repos.get(place))).toBe(401);
    installation.suspendedAt = ground.now.toISOString();
    expect(await statusOf(ask({}))).toBe(403);
    github.world.installations.delete(installation.id);
    expect(await statusOf(ask({}))).toBe(404);
  });

  it('lists the repositories of an installation by pages', async () => {
    const { installation } = ground;
    const octokit = await asInstallation(ground);
    installation.selection = 'all';
    const first = await octokit.rest.apps.listReposAccessibleToInstallation({ per_page: 1 });
    expect([first.data.total_count, first.data.repositories.length]).toEqual([2, 1]);
    const all = await octokit.paginate('GET /installation/repositories', { per_page: 1 });
    expect(all).toHaveLength(2);
  });
});

describe('a person', () => {
  it('authorizes the App, proves an installation, and refreshes once', async () => {
    const { github, alice, mallory, acme, app, installation } = ground;
    Object.assign(github.browser, { user: alice, target: acme });
    const install = await fetch(`${github.url}/apps/berth-acme/installations/new?state=s2`, {
      redirect: 'manual',
    });
    const back = new URL(install.headers.get('location') ?? '');
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      installation_id: String(installation.id),
      state: 's2',
    });
    const exchange = (body: object): Promise<Record<string, string>> =>
      fetch(`${github.url}/login/oauth/access_token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: app.clientId, client_secret: app.clientSecret, ...body }),
      }).then((answer) => answer.json() as Promise<Record<string, string>>);
    const code = back.searchParams.get('code');
    expect(await exchange({ code, client_secret: 'wrong' })).toMatchObject({
      error: 'incorrect_client_credentials',
    });
    const pair = await exchange({ code });
    expect(await exchange({ code })).toMatchObject({ error: 'bad_verification_code' });
    const person = withToken(pair.access_token ?? '').rest;
    expect((await person.users.getAuthenticated()).data).toMatchObject({ id: alice.id, login: 'alice' });
    expect((await person.users.listEmailsForAuthenticatedUser()).data[0]).toMatchObject({ verified: true });
    const { data } = await person.apps.listInstallationsForAuthenticatedUser();
    expect(data.installations.map(({ id }) => id)).toEqual([installation.id]);
    const stranger = withToken(github.tokens.forUser(mallory, app).access_token).rest;
    expect((await stranger.apps.listInstallationsForAuthenticatedUser()).data.total_count).toBe(0);
    app.permissions = { contents: 'write' };
    expect(await statusOf(person.users.listEmailsForAuthenticatedUser())).toBe(403);
    const refresh = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    expect(await exchange(refresh)).toHaveProperty('access_token');
    expect(await exchange(refresh)).toMatchObject({ error: 'bad_refresh_token' });
    expect(await statusOf(person.users.getAuthenticated())).toBe(401);
  });

  it('is known by role, and by the addresses in the organization’s domains', async () => {
    const { alice, mallory, acme, widget } = ground;
    const { rest, graphql } = await asInstallation(ground);
    widget.collaborators.set(mallory.id, 'maintain');
    const roleOf = async (username: string) =>
      (await rest.repos.getCollaboratorPermissionLevel({ ...place, username })).data;
    expect(await roleOf('alice')).toMatchObject({ permission: 'admin' });
    expect(await roleOf('mallory')).toMatchObject({ permission: 'write', role_name: 'maintain' });
    expect((await rest.orgs.listMembers({ org: 'acme' })).data.map(({ id }) => id)).toEqual([alice.id]);
    acme.verifiedDomainEmails.set(alice.id, ['alice@acme.test']);
    const query = `query ($org: String!) { organization(login: $org) { membersWithRole(first: 100) {
      nodes { databaseId login organizationVerifiedDomainEmails(login: $org) } pageInfo { hasNextPage } } } }`;
    expect(await graphql(query, { org: 'acme' })).toMatchObject({
      organization: {
        membersWithRole: {
          nodes: [{ databaseId: alice.id, organizationVerifiedDomainEmails: ['alice@acme.test'] }],
        },
      },
    });
    await expect(graphql('query { secrets }')).rejects.toThrow(/secrets/);
  });
});

describe('conversations', () => {
  it('has comments, replies, and reactions that come once', async () => {
    const { github, alice, widget, app, installation } = ground;
    const octokit = await asInstallation(ground);
    const { rest } = octokit;
    const pull = await github.make.pull(widget, alice);
    const asked = github.make.comment(widget, pull.number, alice, '@berth-acme please');
    const inline = github.make.comment(widget, pull.number, alice, 'here', { path: 'WORKFLOW.md' });
    const review = github.make.review(widget, pull.number, alice, '@berth-acme all of it');
    const eyes = { ...place, comment_id: asked.id, content: 'eyes' as const };
    expect(await statusOf(rest.reactions.createForIssueComment(eyes))).toBe(201);
    expect(await statusOf(rest.reactions.createForIssueComment(eyes))).toBe(200);
    await octokit.graphql(
      'mutation ($id: ID!) { addReaction(input: {subjectId: $id, content: EYES}) { reaction { id } } }',
      {
        id: review.nodeId,
      },
    );
    expect(review.reactions).toMatchObject([{ content: 'eyes', user: { login: 'berth-acme[bot]' } }]);
    const issue = { ...place, issue_number: pull.number };
    const { data } = await rest.issues.createComment({ ...issue, body: 'Working.' });
    expect(data).toMatchObject({
      user: { login: 'berth-acme[bot]', type: 'Bot' },
      performed_via_github_app: { id: app.id },
    });
    await rest.issues.updateComment({ ...place, comment_id: data.id, body: 'Done.' });
    expect(await statusOf(rest.issues.updateComment({ ...place, comment_id: asked.id, body: 'x' }))).toBe(
      403,
    );
    expect(await statusOf(rest.issues.createComment({ ...issue, body: 'x'.repeat(65_537) }))).toBe(422);
    expect((await rest.issues.listComments(issue)).data.map(({ body }) => body)).toEqual([
      '@berth-acme please',
      'Done.',
    ]);
    const reply = { ...place, pull_number: pull.number, comment_id: inline.id, body: 'There.' };
    expect((await rest.pulls.createReplyForReviewComment(reply)).data.in_reply_to_id).toBe(inline.id);
    expect(github.sent.map(({ by }) => by)).toContain(`installation/${installation.id}`);
  });

  it('opens a pull request for a branch that has something new, once', async () => {
    const { github, mallory, widget, app } = ground;
    const { rest } = await asInstallation(ground);
    const open = (head: string, more: object = {}) =>
      rest.pulls.create({ ...place, title: 'T', head, base: 'main', body: 'B', ...more });
    expect(await statusOf(open('berth/1'))).toBe(422);
    const sha = await github.git.commit(widget, 'berth/1', { 'a.txt': 'a\n' });
    const { data } = await open('berth/1');
    expect(data).toMatchObject({
      number: 1,
      head: { sha, ref: 'berth/1' },
      user: { login: 'berth-acme[bot]' },
    });
    expect(await statusOf(open('berth/1'))).toBe(422);
    expect(await statusOf(open('main'))).toBe(422);
    const moved = await github.git.commit(widget, 'berth/1', { 'a.txt': 'b\n' });
    await rest.pulls.update({ ...place, pull_number: 1, body: 'More' });
    const listed = await rest.pulls.list({ ...place, head: 'acme:berth/1', state: 'all' });
    expect(listed.data).toMatchObject([{ number: 1, body: 'More', head: { sha: moved } }]);
    const fork = await github.make.repository(mallory, 'widget', { parent: widget });
    await github.git.commit(fork, 'theirs', { 'a.txt': 'c\n' });
    expect(await statusOf(open('mallory:theirs'))).toBe(422);
    expect(await statusOf(open('mallory:theirs', { maintainer_can_modify: false }))).toBe(201);
    const run = { ...place, name: 'Berth', head_sha: moved, status: 'in_progress' as const };
    expect((await rest.checks.create(run)).data).toMatchObject({
      app: { id: app.id },
      status: 'in_progress',
    });
    expect(await statusOf(rest.checks.create({ ...run, head_sha: 'f'.repeat(40) }))).toBe(422);
  });

  it('reads a file of the default branch out of git', async () => {
    const { rest } = await asInstallation(ground);
    const { data } = await rest.repos.getContent({ ...place, path: 'WORKFLOW.md' });
    expect(Buffer.from((data as { content: string }).content, 'base64').toString()).toBe('Be kind.\n');
    expect(await statusOf(rest.repos.getContent({ ...place, path: 'none.md' }))).toBe(404);
    expect(await statusOf(rest.repos.get({ owner: 'acme', repo: 'gadget' }))).toBe(404);
  });

  it('refuses the 81st content of a minute, for this installation alone', async () => {
    const { github, alice, widget, app } = ground;
    const { rest } = await asInstallation(ground);
    const { number: issue_number } = await github.make.pull(widget, alice);
    const comment = (one: Octokit['rest']) => one.issues.createComment({ ...place, issue_number, body: 'x' });
    for (let count = 0; count < 80; count += 1) await comment(rest);
    const refused = await comment(rest).catch((error: unknown) => error as { response: { headers: object } });
    expect(refused).toMatchObject({
      status: 403,
      response: { headers: { 'retry-after': '60', 'x-ratelimit-remaining': '4919' } },
    });
    expect(await statusOf(comment(withToken(github.tokens.forUser(alice, app).access_token).rest))).toBe(201);
    ground.now = new Date(ground.now.getTime() + 60_000);
    expect(await statusOf(comment(rest))).toBe(201);
    expect([github.limits.exceeded.contents, github.limits.peaks.contentsInMinute]).toEqual([1, 81]);
  });
});
