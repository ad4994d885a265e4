import { randomUUID } from 'node:crypto';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import { testCli, type TestCli } from './testing/test-cli.js';

/** `berth usage` on the real app. */

let app: TestApp;
let acme: TestOrganization;
beforeAll(async () => {
  app = await startTestApp();
  acme = await app.founded('acme');
  const entry = {
    organization_id: acme.id,
    at: app.world.clock.now(),
    member_id: acme.owner.userId,
    member_name: 'Ada',
    workspace_id: randomUUID(),
    workspace_name: 'w',
    repository: 'github.com/acme/app',
    credential_id: randomUUID(),
    generation: 1,
    scope: 'user',
    kind: 'anthropic_api_key',
    billed: true,
    weight_nano: 0,
    weight_tokens: 0,
  };
  const known = { model: 'claude-opus-4-8', input_tokens: 1000, output_tokens: 50, cost_nano: 6_250_000_000 };
  await withClient(app.database.ownerUrl, async (client) => {
    for (const more of [known, known, { model: 'unheard-of' }]) {
      const row: Record<string, unknown> = { id: randomUUID(), ...entry, ...more };
      const places = Object.keys(row).map((_, at) => `$${at + 1}`);
      const text = `INSERT INTO usage_entry (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`;
      await client.query(text, Object.values(row));
    }
  });
});
afterAll(() => app.close());

const run = async (...args: string[]): Promise<TestCli> => {
  const test = testCli(app.url, acme.owner.apiKey);
  expect([await test.run('usage', ...args), test.err]).toEqual([0, '']);
  return test;
};

it('shows what members used, with what is not known beside it', async () => {
  const { out } = await run();
  const [heading, line] = out.split('\n');
  expect(heading?.split(/ {2,}/)).toEqual([
    'MEMBER',
    'CALLS',
    'UNKNOWN',
    'INPUT',
    'OUTPUT',
    'CACHE READ',
    'CACHE WRITE',
    'COST',
    'UNPRICED',
  ]);
  expect(line?.split(/ {2,}/)).toEqual(['Ada', '3', '1', '2000', '100', '0', '0', '$12.50', '1']);
});

it('adds up by something else, for a time, as JSON', async () => {
  const lines = JSON.parse((await run('--by', 'model', '--json')).out) as { key: string; calls: number }[];
  expect(lines.map(({ key, calls }) => [key, calls])).toEqual([
    ['claude-opus-4-8', 2],
    ['unheard-of', 1],
  ]);
  const past = ['--from', '2020-01-01', '--to', '2020-02-01'];
  expect((await run(...past)).out).toBe('Nothing was used.\n');
});
