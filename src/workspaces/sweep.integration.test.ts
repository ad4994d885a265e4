import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { machinesOf } from '../../test/support/machines.js';
import { systemIds } from '../kernel/index.js';
import { JobHandlers } from '../queue/index.js';
import { WorkspaceSettings } from './index.js';

const stranger = (workspaceId: string) => ({
  organizationId: systemIds.next(),
  workspaceId,
  repository: { type: 'https', url: 'https://x.example/a/b.git', path: 'x.example/a/b.git' } as const,
  agent: 'claude' as const,
  runnerToken: 'r',
  proxyToken: 'p',
  git: null,
});

/** Ids of the workspaces that are queued to be reconciled. */
async function queued(bench: Bench): Promise<string[]> {
  const rows = await bench.sql(
    `SELECT data->>'workspaceId' AS id FROM bullmq.job WHERE name = 'workspace.reconcile' AND state = 'waiting'`,
  );
  return rows.map(({ id }) => String(id));
}

describe('the sweep', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());
  const loseJobs = () => bench.sql('TRUNCATE bullmq.job CASCADE');

  it('removes what belongs to no workspace, also past one that will not go, and leaves the others alone', async () => {
    const { id } = await bench.running();
    const asleep = await bench.inState('hibernated');
    const orphans = [systemIds.next(), systemIds.next(), systemIds.next()].sort();
    for (const orphan of orphans) await bench.app.runtime.start(stranger(orphan));
    bench.app.runtime.failNext('destroy');
    await bench.sweep.run();
    const there = await bench.app.runtime.list();
    expect(orphans.filter((orphan) => there.includes(orphan))).toEqual(orphans.slice(0, 1));
    await bench.sweep.run();
    expect(await bench.app.runtime.list()).toEqual([id, asleep.id].sort());
    expect(await bench.app.runtime.inspect(id)).toBe('running');
    expect(bench.calls(asleep.id)).toEqual(['start', 'stop']);
  });

  it('asks about every workspace that is not at rest, of every organization, and about no other', async () => {
    const other = await bench.app.founded('other');
    await other.owner.api.setCredential('user', 'anthropic_api_key', {
      apiKey: `sk-ant-api03-${'z'.repeat(40)}`,
    });
    const foreign = await other.owner.api.createWorkspace({ repository: 'acme/app' });
    const awake = [
      await bench.inState('provisioning'),
      await bench.inState('running'),
      await bench.inState('hibernating'),
      await bench.inState('waking'),
      await bench.inState('deleting'),
    ];
    const asleep = await bench.inState('hibernated');
    // What is not cleaned up yet is not at rest.
    const failed = await bench.inState('failed');
    const cleaned = await bench.inState('failed');
    await bench.reconcile(cleaned.id);
    const goingAway = await bench.inState('failed');
    await bench.delete(goingAway.id);
    await loseJobs();
    await bench.sweep.run();
    const asked = await queued(bench);
    for (const { id } of [...awake, failed, goingAway, foreign]) expect(asked).toContain(id);
    for (const { id } of [asleep, cleaned]) expect(asked).not.toContain(id);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('does each of its parts although another cannot be done', async () => {
    const { id } = await bench.create();
    await loseJobs();
    // The one before it fails: nobody may look which logins are being connected.
    await bench.sql('ALTER TABLE login_attempt RENAME TO hidden');
    try {
      await bench.app.app.get(JobHandlers, { strict: false }).run('sweep', {});
    } finally {
      await bench.sql('ALTER TABLE hidden RENAME TO login_attempt');
    }
    expect(await queued(bench)).toContain(id);
  });

  it('brings every wish home although all jobs were lost', async () => {
    const provisioning = await bench.create();
    const sleeping = await bench.inState('hibernating');
    const waking = await bench.inState('waking');
    const deleting = await bench.inState('deleting');
    const failed = await bench.inState('failed');
    await loseJobs();
    await bench.sweep.run();
    for (const id of await queued(bench)) await bench.reconcile(id);
    const { runner } = await machinesOf(bench.app, provisioning.id);
    await runner.start();
    expect(await bench.state(provisioning.id)).toBe('running');
    expect(await bench.state(sleeping.id)).toBe('hibernated');
    expect(await bench.app.runtime.inspect(waking.id)).toBe('running');
    expect(await bench.state(deleting.id)).toBe('gone');
    expect([await bench.app.runtime.inspect(failed.id), await bench.tokens(failed.id)]).toEqual([
      'stopped',
      0,
    ]);
  });
});

describe('the sweep’s rhythm', () => {
  it('goes on when the queue is emptied, and brings a workspace on whose job is lost', async () => {
    const repositories = {
      githubUrl: 'https://github.com',
      fileRoots: null,
      dataDirectory: '/nowhere/berth',
    };
    const workspaceSettings = new WorkspaceSettings(repositories, { claude: 'm', codex: 'm' }, 0.2, 300);
    const bench = await Bench.start({ worker: true, parts: { workspaceSettings } });
    try {
      await bench.sweep.start();
      await bench.sql('TRUNCATE bullmq.job CASCADE');
      // A queue that refuses is no reason to say that the workspace was not made.
      await bench.sql('REVOKE INSERT ON bullmq.job FROM berth_queue');
      const { id } = await bench.create();
      expect(bench.calls(id)).toEqual([]);
      await bench.sql('GRANT INSERT ON bullmq.job TO berth_queue');
      await eventually('the workspace is started', () => bench.calls(id).includes('start'));
      const { runner } = await machinesOf(bench.app, id);
      await runner.start();
      bench.app.runtime.crash(id);
      await eventually('a runner that died is replaced', () => bench.calls(id).length === 2);
      await bench.delete(id);
      await eventually('it is gone', async () => (await bench.state(id)) === 'gone');
    } finally {
      await bench.close();
    }
  });
});
