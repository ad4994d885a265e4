import { startTestApp, type TestApp } from '../../test/support/app.js';
import { Secret } from '../kernel/index.js';
import type { CliWorld } from './context.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';

/** `berth setup`, `login` and `logout` on the real app. */

const password = 'correct horse battery';
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

/** A command on a machine where nobody is signed in; what it keeps is what it connects with. */
function cli(changes: Partial<CliWorld> = {}): TestCli {
  const test: TestCli = testCli(app.url, '', {
    connection: (flags) =>
      Promise.resolve({
        url: flags.url ?? test.stored.url ?? app.url,
        apiKey: new Secret(test.stored.apiKey ?? 'none'),
        organization: flags.organization ?? test.stored.organization ?? null,
      }),
    ...changes,
  });
  return test;
}
const piped = (text: string): TestCli => cli({ readInput: () => Promise.resolve(text) });
const keysAt = async (apiKey = ''): Promise<string[]> => {
  const api = app.api(apiKey, 'acme');
  return (await api.get<{ items: { name: string }[] }>(api.path('/api-keys'))).body.items.map(
    ({ name }) => name,
  );
};
const ada = ['--organization', 'Acme', '--name', 'Ada Lovelace', '--email', 'ada@example.com'];

describe('setup', () => {
  it.each([
    ['a wrong token', ['--stdin', ...ada], () => `wrong\n${password}\n`, 3, 'setup-token-invalid'],
    ['a short password', ['--stdin', ...ada], () => `${app.setupToken}\nshort\n`, 2, 'at least 12'],
    [
      'no name',
      ['--stdin', ...ada.slice(0, 2)],
      () => `${app.setupToken}\n${password}\n`,
      2,
      '--name, --email',
    ],
    ['nobody to ask', ada, () => '', 2, 'no terminal to ask on'],
  ])('refuses %s and keeps nothing', async (_what, args, input, code, says) => {
    const test = piped(input());
    expect(await test.run('setup', ...args)).toBe(code);
    expect(test.err).toContain(says);
    expect(test.stored).toEqual({});
    expect(test.out + test.err).not.toContain(app.setupToken);
  });

  it('refuses two different passwords before anything is sent', async () => {
    const prompts = answers(app.setupToken, 'Acme', '', 'Ada', 'ada@example.com', password, 'another one');
    expect(await cli({ prompts }).run('setup')).toBe(2);
  });

  it('asks for everything, keeps the key, and the next command works', async () => {
    const link = `${app.url}/setup?token=${app.setupToken}`;
    const prompts = answers(link, 'Acme', '', 'Ada Lovelace', 'ada@example.com', password, password);
    const test = cli({ prompts });
    expect(await test.run('setup')).toBe(0);
    expect(prompts.asked).toHaveLength(7);
    expect(test.stored).toMatchObject({ url: app.url, organization: 'acme' });
    expect(test.stored.apiKeyId).toBeDefined();
    expect(test.out).not.toContain(test.stored.apiKey ?? '?');
    expect(await test.run('workspaces', 'list', '--json')).toBe(0);
  });

  it('says when it was done already', async () => {
    const test = piped(`${app.setupToken}\n${password}\n`);
    expect(await test.run('setup', '--stdin', ...ada, '--json')).toBe(5);
    expect(JSON.parse(test.err)).toMatchObject({ error: { code: 'already-set-up', status: 409 } });
  });
});

describe('login', () => {
  it('makes a key with a password, and signs out of the session', async () => {
    const test = cli({ prompts: answers('ada@example.com', password), inputIsTerminal: true });
    expect(await test.run('login', '--key-name', 'of a test')).toBe(0);
    expect(test.stored).toMatchObject({ url: app.url, organization: 'acme' });
    expect(await keysAt(test.stored.apiKey)).toContain('of a test');
    expect(test.out).toContain('Signed in to');
    expect(test.out + test.err).not.toContain(password);

    const { apiKey } = test.stored;
    expect(await test.run('logout')).toBe(0);
    expect(test.stored).toEqual({ url: app.url, organization: 'acme' });
    expect((await app.api(apiKey ?? '').call('GET', '/api/v1/me')).status).toBe(401);
    test.out = '';
    expect(await test.run('logout')).toBe(0);
    expect(test.out).toBe('No API key is kept.\n');
  });

  it('refuses a wrong password with exit code 3', async () => {
    const test = piped('not the password');
    expect(await test.run('login', '--email', 'ada@example.com')).toBe(3);
    expect(test.err).toContain('sign-in-failed');
    expect(test.err).not.toContain('not the password');
  });

  it('keeps a key that works, and forgets it without deleting it', async () => {
    const beta = await app.founded('beta');
    const test = piped(`${beta.owner.apiKey}\n`);
    expect(await test.run('login', '--json')).toBe(0);
    expect(JSON.parse(test.out)).toMatchObject({ organization: 'beta', url: app.url });
    expect(test.stored).toEqual({ url: app.url, apiKey: beta.owner.apiKey, organization: 'beta' });
    expect(await test.run('logout')).toBe(0);
    expect((await beta.owner.api.call('GET', '/api/v1/me')).status).toBe(200);
  });

  it('refuses a key that does not work, and an organization one is not in', async () => {
    expect(await piped('berth_nonsense').run('login')).toBe(3);
    const gamma = await app.founded('gamma');
    const test = piped(gamma.owner.apiKey);
    expect(await test.run('login', '--organization', 'acme')).toBe(4);
    expect(test.stored).toEqual({});
  });
});
