import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGithubEmulator, type GithubEmulator } from '../../test/emulators/github.js';
import type { GithubApp as EmulatedApp, GithubOrganization } from '../../test/emulators/github-world.js';
import { loginEndpoints, startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import { GithubApp } from '../credentials/index.js';
import type { CliWorld } from './context.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';

/** `berth integrations github` and `berth accounts` on the real app, with a GitHub behind it that has the App and the people. */

let folder: string;
let github: GithubEmulator;
let there: GithubOrganization;
let made: EmulatedApp;
let app: TestApp;
let acme: TestOrganization;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-github-'));
  github = await startGithubEmulator({ root: folder });
  // There is no App yet when this starts, so that none is the environment's.
  app = await startTestApp({ parts: { loginEndpoints: loginEndpoints({ github }) } });
  acme = await app.founded('acme');
  const alice = github.make.user('alice');
  there = github.make.organization('acme-there', [alice]);
  await github.make.repository(there, 'widget');
  Object.assign(github.browser, { user: alice, target: there });
});
afterAll(async () => {
  await app.close();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

const run = async (args: string[], changes: Partial<CliWorld> = {}): Promise<TestCli & { code: number }> => {
  const cli = testCli(app.url, acme.owner.apiKey, changes);
  const code = await cli.run(...args);
  return { ...cli, code };
};
/** As a browser goes: to GitHub, and back to us. */
async function open(url: string): Promise<string> {
  const answer = await fetch(url.trim(), { redirect: 'manual' });
  const back = await fetch(answer.headers.get('location') ?? '', { headers: { accept: 'text/html' } });
  return back.text();
}

describe('GitHub', () => {
  it('has no App until who runs this Berth makes one', async () => {
    expect((await run(['integrations', 'github', 'show'])).out).toContain('has no App at GitHub yet');
    const refused = await run(['integrations', 'github', 'connect']);
    expect([refused.code, refused.out]).toEqual([5, '']);
    expect(refused.err).toContain('An administrator of this Berth makes one');
    made = github.make.app({
      slug: 'berth-acme',
      owner: there,
      callbackUrls: [`${app.url}/oauth/github/callback`],
    });
    const { id, slug, clientId, clientSecret, webhookSecret, pem: privateKey } = made;
    await app.app
      .get(GithubApp, { strict: false })
      .store(
        { appId: String(id), slug, clientId, clientSecret, webhookSecret, privateKey },
        { type: 'system', id: null, name: 'a test', apiKeyId: null },
      );
    expect((await run(['integrations', 'github', 'show'])).out).toBe(
      'Not connected; the App is @berth-acme. An admin connects it: berth integrations github connect\n',
    );
  });

  it('is connected by the link that is printed, and shown', async () => {
    const begun = await run(['integrations', 'github', 'connect']);
    expect([begun.code, begun.err]).toEqual([0, expect.stringContaining('as an owner of the account')]);
    expect(await open(begun.out)).toContain('<b>acme-there</b> is connected');
    const shown = await run(['integrations', 'github', 'show']);
    expect(shown.out).toMatch(/^Connected to acme-there, as @berth-acme \(installation \d+\)\n$/);
    const { out } = await run(['integrations', 'github', 'show', '--json']);
    expect(JSON.parse(out)).toMatchObject({ installations: [{ account: { login: 'acme-there' } }] });
  });

  describe('the secrets of its App', () => {
    const which = (...args: string[]): string[] => ['integrations', 'github', 'replace-secret', ...args];
    const secret = 'a-new-secret-of-the-hook';

    it('are for who runs this Berth', async () => {
      const refused = await run(which('webhook-secret'), { readInput: () => Promise.resolve(secret) });
      expect([refused.code, refused.out]).toEqual([3, '']);
      await withClient(app.database.ownerUrl, (client) =>
        client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]),
      );
    });

    it('are read, asked for, or in a file, and never shown', async () => {
      const piped = await run(which('webhook-secret'), { readInput: () => Promise.resolve(`${secret}\n`) });
      expect([piped.code, piped.out]).toEqual([
        0,
        expect.stringMatching(
          /^Replaced the webhook secret of berth-acme\. Deliveries may be signed .* until /,
        ),
      ]);
      const prompts = answers('a-new-secret-of-the-client');
      const asked = await run(which('client-secret'), { inputIsTerminal: true, prompts });
      expect([asked.code, asked.out]).toEqual([0, 'Replaced the client secret of berth-acme.\n']);
      const file = join(folder, 'key.pem');
      await writeFile(file, made.pem);
      const read = await run(which('private-key', '--from-file', file, '--json'));
      expect([read.code, JSON.parse(read.out)]).toEqual([0, expect.objectContaining({ slug: 'berth-acme' })]);
      const keys = await app.app.get(GithubApp, { strict: false }).keys();
      expect([keys.webhookSecret?.reveal(), keys.clientSecret.reveal()]).toEqual([
        secret,
        'a-new-secret-of-the-client',
      ]);
      for (const { out, err } of [piped, asked, read])
        for (const text of [secret, 'a-new-secret-of-the-client', made.pem.split('\n')[3] ?? ''])
          expect(`${out}${err}`).not.toContain(text);
    });

    it('end those before them at once where that is said', async () => {
      const readInput = () => Promise.resolve('another-secret-of-the-hook');
      const replaced = await run(which('webhook-secret', '--accept-former', '0'), { readInput });
      expect(replaced.out).toBe('Replaced the webhook secret of berth-acme.\n');
      expect((await run(which('webhook-secret', '--accept-former', 'soon'), { readInput })).code).toBe(2);
      const prompts = answers();
      expect((await run(which('private-key'), { inputIsTerminal: true, prompts })).code).toBe(2);
      // As GitHub knows it: the rest of this file goes on with it.
      await run(which('client-secret'), { readInput: () => Promise.resolve(made.clientSecret) });
    });
  });
});

describe('accounts', () => {
  it('are connected by the link, listed, and disconnected', async () => {
    // Who connected GitHub for the organization is connected at once.
    expect((await run(['accounts', 'list'])).out).toMatch(/github +alice +\d+ +authorization +/);
    const second = github.make.user('alice-at-home');
    github.browser.user = second;
    const begun = await run(['accounts', 'connect', 'github']);
    expect([begun.code, begun.err]).toEqual([0, expect.stringContaining('signed in to GitHub as yourself')]);
    expect(await open(begun.out)).toContain('Your account is connected');
    const listed = JSON.parse((await run(['accounts', 'list', '--json'])).out) as object[];
    expect(listed).toMatchObject([
      { system: 'github', handle: 'alice-at-home', externalId: String(second.id), organizationId: acme.id },
    ]);
    expect(listed).toHaveLength(1);

    const no = await run(['accounts', 'disconnect', 'github'], { prompts: answers('n') });
    expect([no.code, no.err]).toEqual([1, 'Nothing was disconnected.\n']);
    const yes = await run(['accounts', 'disconnect', 'github', '--yes']);
    expect([yes.code, yes.out]).toEqual([0, 'Disconnected your account at GitHub.\n']);
    expect((await run(['accounts', 'list'])).out).toContain('You have no account connected.');
    expect((await run(['accounts', 'disconnect', 'github', '--yes'])).code).toBe(4);
  });
});

it('GitHub is disconnected, there too', async () => {
  const prompts = answers('n');
  expect((await run(['integrations', 'github', 'disconnect'], { prompts })).err).toBe(
    'Nothing was disconnected.\n',
  );
  const done = await run(['integrations', 'github', 'disconnect', '--yes', '--json']);
  expect(JSON.parse(done.out)).toEqual({ system: 'github', disconnected: true });
  expect(github.world.installations.size).toBe(0);
  expect((await run(['integrations', 'github', 'show'])).out).toContain('Not connected');
});
