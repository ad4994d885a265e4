import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { testCli, type TestCli } from './testing/test-cli.js';

/** `berth accounts`, `mappings`, `preferences` and `credentials policy` on the real app: what work from GitHub and Linear goes by. */

let app: TestApp;
let acme: TestOrganization;
beforeAll(async () => {
  app = await startTestApp();
  acme = await app.founded('acme');
});
afterAll(() => app.close());

const run = async (...args: string[]): Promise<TestCli & { code: number }> => {
  const cli = testCli(app.url, acme.owner.apiKey);
  const code = await cli.run(...args);
  return { ...cli, code };
};

it('makes, shows, changes and removes a mapping, and leaves what is not said as it is', async () => {
  const to = ['--repository', 'acme/site'];
  const made = await run('mappings', 'create', '--team', 'eng', ...to, '--label', 'infra', '--json');
  expect(made).toMatchObject({ code: 0, err: '' });
  const { id, ...first } = JSON.parse(made.out) as { id: string };
  expect(first).toMatchObject({ linearTeamKey: 'ENG', label: 'infra', provider: 'anthropic', enabled: true });

  const bedrock = ['--provider', 'bedrock', '--aws-region', 'us-east-1', '--disable'];
  expect((await run('mappings', 'update', id, ...bedrock)).out).toMatch(
    /provider +bedrock, us-east-1\nenabled +no/,
  );
  const back = await run('mappings', 'update', id, '--provider', 'anthropic', '--without', 'label', '--json');
  expect(JSON.parse(back.out)).toEqual({ id, ...first, label: null, enabled: false });

  expect((await run('mappings', 'update', id)).code).toBe(2);
  expect((await run('mappings', 'update', id, '--provider', 'bedrock')).err).toContain('Bedrock is asked in');
  expect((await run('mappings', 'list')).out).toMatch(/ENG +- +- +acme\/site +- +no/);
  expect((await run('mappings', 'delete', id)).out).toBe('Removed the mapping.\n');
  expect((await run('mappings', 'show', id)).code).toBe(4);
});

it('keeps the choice of an agent when a model is chosen, and takes both back', async () => {
  expect((await run('preferences', 'set')).code).toBe(2);
  await run('preferences', 'set', '--agent', 'codex');
  expect((await run('preferences', 'set', '--model', 'gpt-5.2-codex')).out).toBe(
    'agent  codex\nmodel  gpt-5.2-codex\n',
  );
  await run('preferences', 'reset');
  expect(JSON.parse((await run('preferences', 'show', '--json')).out)).toEqual({ agent: null, model: null });
});

it('decides one thing about the credentials of the organization, and leaves the other', async () => {
  const first = await run('credentials', 'policy', '--automation', 'yes', '--json');
  expect(JSON.parse(first.out)).toEqual({ organizationFallback: true, automation: true });
  const then = await run('credentials', 'policy', '--fallback', 'no', '--json');
  expect(JSON.parse(then.out)).toEqual({ organizationFallback: false, automation: true });
  expect((await run('credentials', 'policy')).out).toMatch(/fail +no\n.*asked for +yes\n/);
});

it('lists and disconnects no account where none is, and connects none where GitHub is not connected', async () => {
  expect((await run('accounts', 'list')).out).toContain('You have no account connected.');
  expect(await run('accounts', 'connect', 'github')).toMatchObject({ code: 5, out: '' });
  expect((await run('accounts', 'disconnect', 'linear')).code).toBe(4);
  expect((await run('accounts', 'connect', 'gitlab')).code).toBe(2);
});
