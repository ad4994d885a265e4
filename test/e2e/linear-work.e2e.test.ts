import path from 'node:path';
import type { WorkspaceView } from '../../src/contracts/index.js';
import type { LinearActivity, LinearIssue, LinearSession, LinearUser } from '../emulators/linear-world.js';
import type { Api } from '../support/api.js';
import { foundBelow, foundInProcesses, needleOf } from './hostile/needles.js';
import { repositoryAt } from './support/repository.js';
import { WorkGround } from './support/work-ground.js';

/** An issue that is given to Berth in Linear: done as the member with that address, with their own key, and answered where it was asked. */

const BENS_KEY = 'sk-ant-api03-endToEndKeyOfBen-0123456789';

let ground: WorkGround;
let ben: Api;
let benThere: LinearUser;
beforeAll(async () => {
  ground = await WorkGround.start();
  const { system, organization, github } = ground;
  ben = await system.newMember('Ben');
  system.anthropic.accept(BENS_KEY);
  await ben.setCredential('user', 'anthropic_api_key', { apiKey: BENS_KEY });
  // The same address, as somebody typed it there.
  benThere = organization.addUser({ name: 'Ben', email: 'Ben@Example.com' });
  const benAtGithub = github.make.user('ben-codes');
  ground.acme.members.set(benAtGithub.id, 'member');
  await system.api.post(
    system.api.path('/mappings'),
    { linearTeamKey: 'ENG', repository: 'acme/widget' },
    201,
  );
});
afterAll(() => ground.close());

const activitiesOf = (session: LinearSession): LinearActivity[] =>
  [...ground.organization.activities.values()].filter(
    ({ sessionId, userId }) => sessionId === session.id && userId === ground.organization.appUser.id,
  );

const responsesOf = (session: LinearSession): string[] =>
  activitiesOf(session)
    .filter(({ content }) => content.type === 'response')
    .map(({ content }) => String(content.body));

const untilResponses = (session: LinearSession, count: number): Promise<string[]> =>
  ground.system.api.poll(`${count} responses`, () => {
    const wrong = activitiesOf(session).find(({ content }) => content.type === 'error');
    if (wrong) throw new Error(`Berth said: ${JSON.stringify(wrong.content)}`);
    const said = responsesOf(session);
    return Promise.resolve(said.length >= count ? said : null);
  });

async function workspaces(): Promise<WorkspaceView[]> {
  const { api } = ground.system;
  return (await api.get<{ items: WorkspaceView[] }>(api.path('/workspaces'))).body.items;
}

/** With which keys the model was called since the last reset. */
const keysSeen = (): Set<string> =>
  new Set(
    ground.system.anthropic.requests
      .filter(({ path: at }) => at.endsWith('/messages'))
      .map(({ credential }) => credential.value),
  );

describe('an issue that is given to Berth', () => {
  let issue: LinearIssue;
  let session: LinearSession;

  it('starts a workspace as the member with that address, with their own key, and opens a pull request', async () => {
    const { organization, linear, team, widget, github, system } = ground;
    issue = organization.addIssue(team.id, {
      title: 'Greet people | `now` @berth',
      description: 'We want a file.\n\ncreate hello.txt with Good day',
    });
    const before = Date.now();
    const told = await linear.delegate(organization, issue, benThere);
    session = told.session;
    expect([told.delivery.status, told.delivery.milliseconds < 1000]).toEqual([200, true]);
    const [said] = await untilResponses(session, 1);
    expect(said).toContain('Created hello.txt.');
    // The first sign of life came from Berth itself, before any workspace could have given one.
    expect((session.firstSignAt?.getTime() ?? Infinity) - before).toBeLessThan(10_000);
    expect(keysSeen()).toEqual(new Set([BENS_KEY]));

    const [workspace] = await workspaces();
    expect(workspace).toMatchObject({
      repository: expect.stringContaining('acme/widget') as string,
      owner: { email: 'ben@example.com' },
      origin: { type: 'linear' },
      model: 'claude-sonnet-4-6',
    });
    const [pull] = await system.api.poll('a pull request', () => {
      const pulls = [...widget.pulls.values()];
      return Promise.resolve(pulls.length > 0 ? pulls : null);
    });
    expect(pull?.head?.ref).toBe(workspace?.branch);
    const bare = repositoryAt(path.join(github.git.place.root, 'acme', 'widget.git'));
    expect(await bare.git('show', `${workspace?.branch}:hello.txt`)).toBe('Good day');
    // Pushed by the App, in the member's name.
    expect(await bare.git('log', '-1', '--format=%an', workspace?.branch ?? '')).toBe('Ben');
    expect(new Set(github.pushes.map(({ by }) => by))).toEqual(new Set([ground.app.bot.login]));
    // Linked on the issue and in the session, and the issue is under way.
    await system.api.poll('the pull request is linked', () =>
      Promise.resolve(
        [...organization.attachments.values()].some(
          ({ issueId, url }) => issueId === issue.id && url.endsWith(`/pull/${pull?.number}`),
        ) || null,
      ),
    );
    expect(session.externalUrls.map(({ url }) => url)).toEqual(
      expect.arrayContaining([expect.stringContaining(`/pull/${pull?.number}`)]),
    );
    expect(organization.stateOf(issue).name).toBe('In Progress');
    const shown = await system.api.workspace(workspace?.id ?? '');
    expect(shown.pullRequestUrl).toContain(`/pull/${pull?.number}`);
  });

  it('takes a reply in the session for a second turn of the same workspace and pull request', async () => {
    const { organization, linear, widget } = ground;
    await linear.prompt(organization, session, benThere, 'create more.txt with Good evening');
    const said = await untilResponses(session, 2);
    expect(said.at(-1)).toContain('Created more.txt.');
    const all = await workspaces();
    expect(all).toHaveLength(1);
    const turns = (await ben.messages(all[0]?.id ?? '')).filter(({ author }) => author.type === 'user');
    expect(turns.map(({ state }) => state)).toEqual(['completed', 'completed']);
    expect(widget.pulls.size).toBe(1);
  });

  it('stops when it is told to', async () => {
    const { organization, linear, system } = ground;
    await linear.prompt(organization, session, benThere, 'slow 50');
    await system.api.poll('the model speaks', () => Promise.resolve(system.anthropic.waiting > 0 || null));
    await linear.prompt(organization, session, benThere, 'stop', 'stop');
    const [workspace] = await workspaces();
    await system.api.poll('the turn is canceled', async () => {
      const messages = await ben.messages(workspace?.id ?? '');
      return messages.some(({ state }) => state === 'canceled') || null;
    });
    // It is confirmed, as Linear wants it, and nothing more is said.
    await untilResponses(session, 3);
  });

  it('says the same delivery once, however often it comes', async () => {
    const { linear } = ground;
    const [before] = [responsesOf(session).length];
    for (const { id } of [...linear.webhooks.deliveries])
      expect((await linear.webhooks.again(id)).status).toBe(200);
    await ground.outcomes();
    expect([await workspaces(), responsesOf(session)].map(({ length }) => length)).toEqual([1, before]);
  });

  it('kept every secret from what it wrote and said', () => {
    const { linear, system, app } = ground;
    const everything =
      system.berth.output.join('') + JSON.stringify(linear.calls) + JSON.stringify(ground.github.sent);
    for (const secret of [
      BENS_KEY,
      app.clientSecret,
      app.webhookSecret,
      linear.app.clientSecret,
      linear.app.webhookSecret,
    ])
      expect(everything).not.toContain(secret);
    expect(everything).not.toMatch(/ghs_\d|lin_oauth_|lin_refresh_|BEGIN (RSA )?PRIVATE KEY/);
  });

  it('kept the secrets of both systems from the files of its workspaces and from every process but its own', () => {
    const { linear, system, app, github } = ground;
    const { book } = linear.logins;
    const secrets: [name: string, text: string][] = [
      ['the webhook secret of Linear', linear.app.webhookSecret],
      ['the webhook secret of GitHub', app.webhookSecret ?? ''],
      ['the secret of the App', app.clientSecret],
      ['the private key of the App', app.pem.split('\n')[3] ?? ''],
      ...github.tokens.minted.map((token): [string, string] => ['a token of GitHub', token.slice(-40)]),
      ...book.lineages
        .flatMap(({ id }) => book.tokensOf(id))
        .map((token): [string, string] => ['a token of Linear', token.slice(-40)]),
    ];
    expect(secrets.length).toBeGreaterThan(8);
    const needles = secrets.map(([name, text]) => needleOf(name, text));
    expect(foundBelow(path.join(system.berth.dataDirectory, 'workspaces'), needles)).toEqual([]);
    // Berth itself was started with some of them; what it starts (proxy, runners, agents, Postgres) is not.
    const elsewhere = foundInProcesses(needles).filter((found) => !found.endsWith(` of ${system.berth.pid}`));
    expect(elsewhere).toEqual([]);
    expect(foundInProcesses(needles)).not.toEqual([]);
  });
});
