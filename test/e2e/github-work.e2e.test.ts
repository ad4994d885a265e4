import path from 'node:path';
import type { WorkspaceView } from '../../src/contracts/index.js';
import type { GithubComment, GithubPull, GithubUser } from '../emulators/github-world.js';
import type { Api } from '../support/api.js';
import { repositoryAt } from './support/repository.js';
import { WorkGround } from './support/work-ground.js';

/** The bot is mentioned on a pull request: by a member, by somebody Berth does not know yet, and by all those who are not heard. */

const BENS_KEY = 'sk-ant-api03-endToEndKeyOfBen-0123456789';

let ground: WorkGround;
let ben: Api;
let benThere: GithubUser;
let caroThere: GithubUser;
let pull: GithubPull;
beforeAll(async () => {
  ground = await WorkGround.start();
  const { system, github, acme, widget } = ground;
  benThere = github.make.user('ben-codes', {
    emails: [{ email: 'ben@example.com', primary: true, verified: true, visibility: null }],
  });
  caroThere = github.make.user('caro-codes');
  for (const user of [benThere, caroThere]) {
    acme.members.set(user.id, 'member');
    widget.collaborators.set(user.id, 'write');
  }
  ben = await system.newMember('Ben');
  system.anthropic.accept(BENS_KEY);
  await ben.setCredential('user', 'anthropic_api_key', { apiKey: BENS_KEY });
  github.browser.user = benThere;
  await ground.connectAccount(ben, 'github');
  pull = await github.make.pull(widget, benThere, { head: 'feature', title: 'A feature' });
});
afterAll(() => ground.close());

async function workspaces(): Promise<WorkspaceView[]> {
  const { api } = ground.system;
  return (await api.get<{ items: WorkspaceView[] }>(api.path('/workspaces'))).body.items;
}

const bare = () => repositoryAt(path.join(ground.github.git.place.root, 'acme', 'widget.git'));

/** Waits until the App has written something that contains this. */
const untilSaid = (number: number, text: string): Promise<GithubComment> =>
  ground.system.api.poll(`a comment with ${text}`, () =>
    Promise.resolve(ground.answersOn(number).find(({ body }) => body.includes(text)) ?? null),
  );

it('works for a member on the branch of the pull request, and answers where they asked', async () => {
  const asked = await ground.says(pull.number, benThere, '@berth-acme create hello.txt with Good day');
  await untilSaid(pull.number, 'Created hello.txt');
  expect(asked.reactions.map(({ content }) => content)).toContain('eyes');
  expect(await bare().git('show', 'feature:hello.txt')).toBe('Good day');
  const author = await bare().git('log', '-1', '--format=%an <%ae>', 'feature');
  expect(author).toBe(`Ben <${benThere.id}+ben-codes@users.noreply.github.com>`);
  const [workspace] = await workspaces();
  expect(workspace).toMatchObject({
    branch: 'feature',
    owner: { email: 'ben@example.com' },
    origin: { type: 'github' },
  });
  const keys = ground.system.anthropic.requests
    .filter(({ path: at }) => at.endsWith('/messages'))
    .map(({ credential }) => credential.value);
  expect(new Set(keys)).toEqual(new Set([BENS_KEY]));
  // No second pull request, and a check that says how it went.
  expect(ground.widget.pulls.size).toBe(1);
  await ground.system.api.poll('the check is over', () =>
    Promise.resolve(ground.widget.checkRuns.some(({ status }) => status === 'completed') || null),
  );
});

it('answers a comment on a line in its thread, and goes on in the same workspace', async () => {
  const asked = await ground.says(pull.number, benThere, '@berth-acme create line.txt with Here', {
    path: 'feature.txt',
  });
  const said = await untilSaid(pull.number, 'Created line.txt');
  expect(said.review?.inReplyToId).toBe(asked.id);
  expect(await workspaces()).toHaveLength(1);
});

it('sends one link to somebody it does not know, and does what they asked once they are linked', async () => {
  const { system, github } = ground;
  await ground.says(pull.number, caroThere, '@berth-acme create caro.txt with From Caro');
  const { body } = await untilSaid(pull.number, '/connect/github/');
  await ground.says(pull.number, caroThere, '@berth-acme are you there?');
  await ground.outcomes();
  expect(ground.answersOn(pull.number).filter((one) => one.body.includes('/connect/github/'))).toHaveLength(
    1,
  );
  expect(body).toContain('caro-codes');
  const caro = await system.newMember('Caro');
  system.anthropic.accept('sk-ant-api03-endToEndKeyOfCaro-0123456789');
  await caro.setCredential('user', 'anthropic_api_key', {
    apiKey: 'sk-ant-api03-endToEndKeyOfCaro-0123456789',
  });
  github.browser.user = caroThere;
  await ground.connectAccount(caro, 'github');
  await untilSaid(pull.number, 'Created caro.txt');
  expect(await bare().git('log', '-1', '--format=%an', 'feature', '--', 'caro.txt')).toBe('Caro');
});

it('hears nobody else: a bot, a quotation, code, an address, a stranger on a fork', async () => {
  const { github, widget } = ground;
  const robot = github.make.user('helper[bot]', { type: 'Bot', emails: [] });
  const mallory = github.make.user('mallory');
  const fork = await github.make.repository(
    { id: mallory.id, login: mallory.login, type: 'User' },
    'widget',
    {
      parent: widget,
    },
  );
  const theirs = await github.make.pull(widget, mallory, { head: 'evil', headRepository: fork });
  const [said, made] = [ground.answersOn(pull.number).length, (await workspaces()).length];
  await ground.outcomes();
  const before = (await ground.deliveries()).length;
  await ground.says(pull.number, robot, '@berth-acme create a.txt');
  await ground.says(pull.number, benThere, '> @berth-acme create b.txt\n\nWhat do you think?');
  await ground.says(pull.number, benThere, 'Type `@berth-acme create c.txt`');
  await ground.says(pull.number, benThere, 'Write to bot@berth-acme please');
  await ground.says(theirs.number, mallory, '@berth-acme create d.txt');
  const outcomes = (await ground.outcomes()).slice(before);
  expect(outcomes).toHaveLength(5);
  for (const outcome of outcomes) expect(outcome).not.toMatch(/^(started|continued)$/);
  expect([ground.answersOn(pull.number).length, (await workspaces()).length]).toEqual([said, made]);
});
