import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import type { CliWorld } from './context.js';
import { answers, testCli, until, type TestCli } from './testing/test-cli.js';

/** `berth workspaces hibernate|wake|delete` on the real app: the test works in the place of runner and worker. */

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
});
afterAll(() => bench.close());

function cli(changes: Partial<CliWorld> = {}): TestCli {
  const organization = bench.organization.slug;
  const test = testCli(bench.app.url, bench.owner.apiKey, changes);
  const { connection } = test.context;
  test.context.connection = async (flags) => ({ ...(await connection(flags)), organization });
  return test;
}

async function running(): Promise<string> {
  const { id } = await bench.create({});
  await (await bench.started(id)).runner.start();
  return id;
}

it('hibernates and waits, wakes and waits', async () => {
  const id = await running();
  const test = cli();
  const sleeping = test.run('workspaces', 'hibernate', id, '--wait');
  await until(() => test.err.includes('is hibernating'), 'it is said what is waited for');
  await bench.reconcile(id);
  expect(await sleeping).toBe(0);
  expect(test.out).toBe(`The workspace ${id.slice(-8)} is hibernated.\n`);

  const waking = cli();
  const awake = waking.run('workspaces', 'wake', id.slice(-8), '--wait', '--json');
  await eventually('the order came', async () => (await bench.state(id)) === 'waking');
  await (await bench.started(id, 2)).runner.start();
  expect(await awake).toBe(0);
  expect(JSON.parse(waking.out)).toMatchObject({ id, state: 'running' });
  expect(waking.err).toBe('');
});

it('deletes after asking, and waits until it is gone', async () => {
  const id = await running();
  const refusing = cli({ prompts: answers('n') });
  expect(await refusing.run('workspaces', 'delete', id)).toBe(1);
  expect(await bench.state(id)).toBe('running');

  const test = cli({ prompts: answers('y') });
  const gone = test.run('workspaces', 'delete', id, '--wait');
  await until(() => test.err.includes('is deleting'), 'it is said what is waited for');
  await bench.reconcile(id);
  expect(await gone).toBe(0);
  expect(test.out).toBe(`The workspace ${id.slice(-8)} is deleted.\n`);
  expect(await cli().run('workspaces', 'show', id)).toBe(4);
});

it('deletes without asking where nobody can answer', async () => {
  const id = await running();
  const test = cli();
  expect(await test.run('workspaces', 'delete', id, '--json')).toBe(0);
  expect(JSON.parse(test.out)).toMatchObject({ id, state: 'deleting' });
});

it('shares a workspace, and takes it back', async () => {
  const { id } = await bench.create({});
  const test = cli();
  expect(await test.run('workspaces', 'share', id.slice(-8))).toBe(0);
  expect(test.out).toBe(`The workspace ${id.slice(-8)} is shared with the organization.\n`);
  const back = cli();
  expect(await back.run('workspaces', 'unshare', id, '--json')).toBe(0);
  expect(JSON.parse(back.out)).toMatchObject({ id, shared: false });
});
