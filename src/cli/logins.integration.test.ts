import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../test/emulators/openai.js';
import { loginEndpoints, startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { eventually } from '../../test/support/eventually.js';
import type { CliWorld } from './context.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';

/** `berth credentials connect` on the real app and the emulated providers. */

let anthropic: AnthropicEmulator;
let openai: OpenaiEmulator;
let app: TestApp;
let acme: TestOrganization;
beforeAll(async () => {
  [anthropic, openai] = await Promise.all([startAnthropicEmulator(), startOpenaiEmulator()]);
  openai.logins.intervalSeconds = 1;
  app = await startTestApp({
    worker: true,
    parts: { loginEndpoints: loginEndpoints({ claude: anthropic.url, openai: openai.url }) },
  });
});
afterAll(async () => {
  await app.close();
  await Promise.all([anthropic.close(), openai.close()]);
});
let number = 0;
beforeEach(async () => {
  acme = await app.founded(`acme-${++number}`);
});

const cli = (changes: Partial<CliWorld> = {}): TestCli => testCli(app.url, acme.owner.apiKey, changes);
const linkIn = (text: string): string => /http\S+\/oauth\/authorize\S+/.exec(text)?.[0] ?? '';

it('shows the link and the notice, and takes the code without showing it', async () => {
  const before = ['half-a-code'];
  const test: TestCli = cli({ inputIsTerminal: true });
  const prompts = answers(...before);
  let asked = 0;
  test.context.prompts = {
    ...prompts,
    askHidden: (question) =>
      ++asked <= before.length
        ? prompts.askHidden(question)
        : Promise.resolve(anthropic.logins.codeFor(linkIn(test.err))),
  };
  expect(await test.run('credentials', 'connect', 'claude_oauth')).toBe(0);
  expect(test.err).toContain('Anthropic’s terms');
  expect(test.err).toContain('The code is only a part of the code; copy all of it');
  expect(test.out).toMatch(
    /^Connected claude_oauth \(your own\): ada@example\.com; Claude ends it on 20\d\d-\d\d-\d\d\n$/,
  );
  expect(test.out + test.err).not.toContain('sk-ant-');
});

it('gives up after three pastes that are none, and at once when the code is refused', async () => {
  const test = cli({ inputIsTerminal: true, prompts: answers('a', 'b', 'c') });
  expect(await test.run('credentials', 'connect', 'claude_oauth')).toBe(2);
  const other = cli({ inputIsTerminal: true, prompts: answers('a-code#of-another-link') });
  expect(await other.run('credentials', 'connect', 'claude_oauth')).toBe(5);
  expect(other.err).toMatch(/belongs to no link that was made here.*\(login-refused\)/);
});

it('is in two steps for scripts', async () => {
  const first = cli();
  expect(await first.run('credentials', 'connect', 'claude_oauth', '--scope', 'organization', '--json')).toBe(
    0,
  );
  const { authorizationUrl } = JSON.parse(first.out) as { authorizationUrl: string };
  const code = `${anthropic.logins.codeFor(authorizationUrl)}\n`;
  const second = cli({ readInput: () => Promise.resolve(code) });
  const args = ['--scope', 'organization', '--code', '-', '--json'];
  expect(await second.run('credentials', 'connect', 'claude_oauth', ...args)).toBe(0);
  expect(JSON.parse(second.out)).toMatchObject({
    kind: 'claude_oauth',
    scope: 'organization',
    generation: 1,
  });
});

it('shows what to type at ChatGPT, and waits for it, also while nobody can be asked', async () => {
  const test = cli();
  openai.fail({ status: 503, match: { path: '/api/accounts/deviceauth/token' } });
  const ended = test.run('credentials', 'connect', 'openai_oauth');
  await eventually('the code is shown', () => /type:\n\n {2}\S+/.test(test.err));
  const userCode = /type:\n\n {2}(\S+)/.exec(test.err)?.[1] ?? '';
  await eventually('it says why it has to wait', () => test.err.includes('status 503'));
  await eventually('it waits', () => test.err.includes('Waiting for you to sign in'));
  expect(openai.logins.approve(userCode)).toBe(true);
  expect(await ended).toBe(0);
  expect(test.out).toBe('Connected openai_oauth (your own): ada@example.com, max\n');
});

it('says what to do where codes are not enabled', async () => {
  openai.logins.isDeviceLoginOn = false;
  const test = cli();
  expect(await test.run('credentials', 'connect', 'openai_oauth')).toBe(5);
  expect(test.err).toContain('use an OpenAI API key');
  openai.logins.isDeviceLoginOn = true;
});

it('connects nothing that is no login', async () => {
  expect(await cli().run('credentials', 'connect', 'anthropic_api_key')).toBe(2);
});

it('the list says when a login ends soon', async () => {
  const pair = anthropic.logins.issue();
  const { accessToken, refreshToken } = pair;
  const body = { accessToken, refreshToken, expiresAt: pair.expiresAt.toISOString() };
  await acme.owner.api.setCredential('user', 'claude_oauth', body);
  const listed = async (daysFromNow: number): Promise<string> => {
    const test = cli();
    test.context.clock = { now: () => new Date(Date.now() + daysFromNow * 24 * 3600 * 1000) };
    await test.run('credentials', 'list');
    return test.out;
  };
  expect(await listed(0)).not.toContain('connect it again');
  expect(await listed(28)).toMatch(/the login ends 20\d\d-\S+Z: connect it again/);
  expect(await listed(31)).toContain('the login is over: connect it again');
});

it('shows a login, renews it, and tells what became of each renewal', async () => {
  const code = (test: TestCli) => () => Promise.resolve(`${anthropic.logins.codeFor(linkIn(test.err))}\n`);
  const connecting: TestCli = cli();
  connecting.context.readInput = () => code(connecting)();
  expect(await connecting.run('credentials', 'connect', 'claude_oauth')).toBe(0);

  const test = cli();
  expect(await test.run('credentials', 'history', 'claude_oauth')).toBe(0);
  expect(test.out).toBe('It was not renewed yet.\n');
  test.out = '';
  expect(await test.run('credentials', 'rotate', 'claude_oauth')).toBe(0);
  expect(test.out).toMatch(/^Renewed claude_oauth \(your own\): generation 2, sk-ant-oat01-…\S+\n$/);
  test.out = '';
  expect(await test.run('credentials', 'history', 'claude_oauth')).toBe(0);
  expect(test.out).toMatch(/^STARTED .*\n\S+ +1 -> 2 +forced +succeeded /);
  test.out = '';
  expect(await test.run('credentials', 'show', 'claude_oauth')).toBe(0);
  expect(test.out).toMatch(/status +active\n/);
  expect(test.out).toMatch(/account +ada@example\.com\n/);
  expect(test.out).toMatch(new RegExp(`set by +${acme.owner.name}\n`));
  expect(await test.run('credentials', 'show', 'openai_oauth')).toBe(4);
  await acme.owner.api.setCredential('user', 'anthropic_api_key', {
    apiKey: 'sk-ant-api03-0123456789-0123456789',
  });
  expect(await test.run('credentials', 'rotate', 'anthropic_api_key')).toBe(5);
});
