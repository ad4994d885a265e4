import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import type { CliWorld } from './context.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';

/** `berth credentials` on the real app. */

const secret = 'sk-ant-api03-canary-0123456789-wxyz';
let app: TestApp;
let acme: TestOrganization;
let folder: string;
beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-credentials-'));
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});
let number = 0;
beforeEach(async () => {
  acme = await app.founded(`acme-${++number}`);
});

const cli = (changes: Partial<CliWorld> = {}): TestCli => testCli(app.url, acme.owner.apiKey, changes);
const piped = (text: string): TestCli => cli({ readInput: () => Promise.resolve(text) });
const stored = async () =>
  (
    await acme.owner.api.get<{ items: { kind: string; scope: string; hint: string }[] }>(
      acme.owner.api.path('/credentials'),
    )
  ).body.items;

it('stores what comes on standard input, and shows a hint only', async () => {
  const test = piped(`${secret}\n`);
  expect(await test.run('credentials', 'set', 'anthropic_api_key')).toBe(0);
  expect(await stored()).toMatchObject([
    { kind: 'anthropic_api_key', scope: 'user', hint: 'sk-ant-api03-…wxyz' },
  ]);
  expect(test.out).toBe('Stored anthropic_api_key (your own): sk-ant-api03-…wxyz\n');
  test.out = '';
  expect(await test.run('credentials', 'list')).toBe(0);
  expect(test.out).toMatch(/^KIND .*\nanthropic_api_key +user +active +sk-ant-api03-…wxyz +1 /);
  test.out = '';
  expect(await test.run('credentials', 'list', '--json')).toBe(0);
  expect(JSON.parse(test.out)).toMatchObject([{ kind: 'anthropic_api_key', generation: 1 }]);
  expect(test.out + test.err).not.toContain('canary');
});

it('says what the provider expects of whoever sets a login of a subscription, and of no other', async () => {
  const token = piped(`sk-ant-oat01-${'x'.repeat(80)}\n`);
  expect(await token.run('credentials', 'set', 'claude_setup_token')).toBe(0);
  expect([token.err, token.out]).toEqual([
    expect.stringContaining('Connect only your own account'),
    expect.stringMatching(/^Stored claude_setup_token/),
  ]);
  const key = piped(`${secret}\n`);
  expect([await key.run('credentials', 'set', 'anthropic_api_key'), key.err]).toEqual([0, '']);
});

it('asks a person without showing what is typed', async () => {
  const prompts = answers(secret);
  const test = cli({ prompts, inputIsTerminal: true });
  expect(await test.run('credentials', 'set', 'anthropic_api_key', '--scope', 'organization')).toBe(0);
  expect(prompts.asked).toEqual(['Anthropic API key (sk-ant-api03-…)']);
  expect(await stored()).toMatchObject([{ scope: 'organization' }]);
});

it('reads a file', async () => {
  await writeFile(join(folder, 'key'), `${secret}\n`);
  const test = cli();
  expect(await test.run('credentials', 'set', 'anthropic_api_key', '--from-file', join(folder, 'key'))).toBe(
    0,
  );
  expect(await stored()).toHaveLength(1);
  expect(await test.run('credentials', 'set', 'anthropic_api_key', '--from-file', join(folder, 'none'))).toBe(
    2,
  );
  expect(test.err).toContain('cannot be read (ENOENT)');
});

it('understands what AWS prints, and asks for the parts of a kind with several', async () => {
  const printed = {
    Version: 1,
    AccessKeyId: 'ASIAEXAMPLE',
    SecretAccessKey: 'abc/def+ghi=',
    SessionToken: 'tok+en/==',
  };
  const test = piped(JSON.stringify(printed));
  expect(await test.run('credentials', 'set', 'aws_bedrock', '--region', 'eu-central-1')).toBe(0);
  const prompts = answers('abc/def+ghi=', 'AKIAEXAMPLE', 'us-east-1', '');
  const asked = cli({ prompts, inputIsTerminal: true });
  expect(await asked.run('credentials', 'set', 'aws_bedrock', '--no-fallback')).toBe(0);
  expect(prompts.asked).toHaveLength(4);
  expect(await stored()).toMatchObject([{ kind: 'aws_bedrock' }]);
});

it.each([
  [['anthropic_api_key'], 'sk-ant-oat01-canary', 'is a Claude token'],
  [['anthropic_api_key'], '', 'is empty'],
  [['anthropic_api_key', '--region', 'us-east-1'], secret, 'has no option for region'],
  [['claude_setup_token', '--no-fallback'], secret, 'has no option for fallback'],
  [['aws_bedrock'], 'canary', 'AWS access key id (AKIA… or ASIA…): --access-key-id'],
  [
    ['anthropic_wif'],
    '{"federationRuleId": "fdrl_canary"}',
    'Service account (svac_…): "serviceAccountId"\n',
  ],
  [['git_token'], '{}', 'Git host (for example github.com): --host'],
  [['aws_bedrock'], '{"canary', 'not valid JSON'],
])('refuses %j with exit code 2 and never repeats the text', async (args, text, says) => {
  const test = piped(text);
  expect(await test.run('credentials', 'set', ...args)).toBe(2);
  expect(test.err.split(says)).toHaveLength(2);
  expect(test.err).not.toContain('canary');
});

it('says of a key that is not taken that it is the key', async () => {
  const test = testCli(app.url, `${acme.owner.apiKey}x`);
  expect(await test.run('credentials', 'list')).toBe(3);
  expect(test.err).toContain('The API key is not valid at ');
});

it('takes no secret as an argument', async () => {
  const test = piped(secret);
  expect(await test.run('credentials', 'set', 'anthropic_api_key', secret)).toBe(2);
  expect(await stored()).toEqual([]);
});

it('does not wait for a person with --json', async () => {
  const test = cli({ prompts: answers(), inputIsTerminal: true });
  expect(await test.run('credentials', 'set', 'anthropic_api_key', '--json')).toBe(2);
  expect(JSON.parse(test.err)).toMatchObject({ error: { code: 'usage', exitCode: 2 } });
});

it('deletes after asking, and says so when there is nothing', async () => {
  await acme.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: secret });
  const asking = cli({ prompts: answers('n', 'y'), inputIsTerminal: true });
  expect(await asking.run('credentials', 'delete', 'anthropic_api_key')).toBe(1);
  expect(await stored()).toHaveLength(1);
  expect(await asking.run('credentials', 'delete', 'anthropic_api_key')).toBe(0);
  expect(await stored()).toEqual([]);
  const scripted = cli();
  expect(await scripted.run('credentials', 'delete', 'anthropic_api_key', '--json')).toBe(4);
  const { error } = JSON.parse(scripted.err) as { error: { code: string; requestId: string } };
  expect(error).toMatchObject({ code: 'not-found', status: 404 });
  expect(error.requestId).not.toBe('');
});

it('refuses a member the organization’s credential with exit code 3 and a request id', async () => {
  const member = await app.member(acme, 'member');
  const test = testCli(app.url, member.apiKey, { readInput: () => Promise.resolve(secret) });
  expect(await test.run('credentials', 'set', 'anthropic_api_key', '--scope', 'organization')).toBe(3);
  expect(test.err).toMatch(/^berth: .+ \(forbidden\)\n {2}request id: \S+\n$/);
});

it('explains which one serves, and why', async () => {
  const test = cli();
  expect(await test.run('credentials', 'explain')).toBe(0);
  expect(test.out).toContain(
    'Claude: no credential yet. "berth credentials set anthropic_api_key" stores one',
  );
  await acme.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: secret });
  await acme.owner.api.setCredential('organization', 'claude_setup_token', { token: 'sk-ant-oat01-x' });
  test.out = '';
  expect(await test.run('credentials', 'explain', 'claude')).toBe(0);
  expect(test.out).toMatch(
    /^Claude works with anthropic_api_key \(user\)\.\n.*WHY\n1 +anthropic_api_key +user +yes /,
  );
  test.out = '';
  expect(await test.run('credentials', 'explain', '--json')).toBe(0);
  expect(JSON.parse(test.out)).toMatchObject([
    { agent: 'claude', chosen: { kind: 'anthropic_api_key' } },
    { agent: 'codex', chosen: null },
  ]);
});
