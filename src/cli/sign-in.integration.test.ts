import { startTestApp, type TestApp } from '../../test/support/app.js';
import { Secret } from '../kernel/index.js';
import type { CliWorld } from './context.js';
import type { Prompts } from './prompts.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';

/** `berth setup`, `login`, `invitations accept` and `logout` on the real app. */

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
const asking = (prompts: Prompts): TestCli => cli({ prompts, inputIsTerminal: true });
const keysAt = async (apiKey = ''): Promise<string[]> => {
  const api = app.api(apiKey, 'acme');
  return (await api.get<{ items: { name: string }[] }>(api.path('/api-keys'))).body.items.map(
    ({ name }) => name,
  );
};
const ada = ['--organization', 'Acme', '--name', 'Ada Lovelace', '--email', 'ada@example.com'];

describe('setup', () => {
  it.each([
    ['a wrong token', ada, () => `wrong\n${password}\n`, 3, 'setup-token-invalid'],
    ['a short password', ada, () => `${app.setupToken}\nshort\n`, 2, 'at least 12'],
    ['no name', ada.slice(0, 2), () => `${app.setupToken}\n${password}\n`, 2, '--name, --email'],
    ['nothing', ada, () => '', 2, 'password, is empty'],
    ['an option that is not there', ['--stdin', ...ada], () => '', 2, 'unknown option'],
  ])('refuses %s and keeps nothing', async (_what, args, input, code, says) => {
    const test = piped(input());
    expect(await test.run('setup', ...args)).toBe(code);
    expect(test.err).toContain(says);
    expect(test.stored).toEqual({});
    expect(test.out + test.err).not.toContain(app.setupToken);
  });

  it('refuses two different passwords before anything is sent', async () => {
    const prompts = answers(app.setupToken, 'Acme', '', 'Ada', 'ada@example.com', password, 'another one');
    expect(await asking(prompts).run('setup')).toBe(2);
  });

  it('asks for everything, keeps the key, and the next command works', async () => {
    const link = `${app.url}/setup?token=${app.setupToken}`;
    const prompts = answers(link, 'Acme', '', 'Ada Lovelace', 'ada@example.com', password, password);
    const test = asking(prompts);
    expect(await test.run('setup')).toBe(0);
    expect(prompts.asked).toHaveLength(7);
    expect(test.stored).toMatchObject({ url: app.url, organization: 'acme' });
    expect(test.stored.apiKeyId).toBeDefined();
    expect(test.out).not.toContain(test.stored.apiKey ?? '?');
    expect(await test.run('workspaces', 'list', '--json')).toBe(0);
  });

  it('says when it was done already', async () => {
    const test = piped(`${app.setupToken}\n${password}\n`);
    expect(await test.run('setup', '--from-file', '-', ...ada, '--json')).toBe(5);
    expect(JSON.parse(test.err)).toMatchObject({ error: { code: 'already-set-up', status: 409 } });
  });
});

describe('login', () => {
  it('makes a key with a password, and signs out of the session', async () => {
    const test = asking(answers('ada@example.com', password));
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

describe('invitations accept', () => {
  const invite = async (slug: string, email: string): Promise<string> => {
    const { owner } = await app.founded(slug);
    const { body } = await owner.api.post<{ url: string }>(
      owner.api.path('/invitations'),
      { email, role: 'member' },
      201,
    );
    return body.url;
  };
  const grace = ['invitations', 'accept', '--name', 'Grace Hopper'];

  it('makes an account by a link and a password, keeps the key, and the next command works', async () => {
    const link = await invite('delta', 'grace@example.com');
    const test = piped(`${link}\n${password}\n`);
    expect(await test.run(...grace)).toBe(0);
    expect(test.out).toContain(`You are a member of delta at ${app.url}, as grace@example.com.`);
    expect(test.out + test.err).not.toContain(password);
    expect(test.stored).toMatchObject({ url: app.url, organization: 'delta' });
    expect(test.stored.apiKeyId).toBeDefined();
    expect(await test.run('workspaces', 'list', '--json')).toBe(0);
    // Used up, as it was asked for again by somebody else.
    expect(await piped(`${link}\n${password}\n`).run(...grace)).toBe(4);
  });

  it('asks for what is not given, and prints the key when it is not to be kept', async () => {
    const token = new URL(await invite('epsilon', 'hedy@example.com')).searchParams.get('token') ?? '';
    const prompts = answers(token, 'Hedy Lamarr', password, password);
    const test = asking(prompts);
    expect(await test.run('invitations', 'accept', '--no-store')).toBe(0);
    expect(prompts.asked).toHaveLength(4);
    const key = test.out.trim().split('\n').at(-1) ?? '';
    expect((await app.api(key).call('GET', '/api/v1/me')).status).toBe(200);
    expect(test.stored).toEqual({});
  });

  it('takes who is signed in as they are, and sends their key nowhere else', async () => {
    const link = await invite('zeta', 'grace@example.com');
    const test = piped(`${await invite('eta', 'grace@example.com')}\n${password}\n`);
    expect(await test.run(...grace, '--json')).toBe(0);
    expect(JSON.parse(test.out)).toMatchObject({
      organization: { slug: 'eta' },
      stored: test.context.configFile.path,
    });

    const elsewhere = link.replace('127.0.0.1', 'localhost');
    test.context.readInput = () => Promise.resolve(elsewhere);
    expect(await test.run('invitations', 'accept', '--signed-in')).toBe(2);
    expect(test.err).toContain('If both are the same Berth, give only the token');
    test.context.readInput = () => Promise.resolve(link);
    expect(await test.run('invitations', 'accept', '--signed-in')).toBe(0);
    expect(test.stored).toMatchObject({ organization: 'zeta' });
  });

  it.each([
    ['no name', ['invitations', 'accept'], `token\n${password}`, 2, '--name'],
    ['a short password', grace, 'token\nshort', 2, 'at least 12'],
    ['a wrong token', grace, `token\n${password}`, 3, 'invitation-invalid'],
  ])('refuses %s', async (_what, args, input, code, says) => {
    const test = piped(input);
    expect(await test.run(...args)).toBe(code);
    expect(test.err).toContain(says);
    expect(test.stored).toEqual({});
  });
});
