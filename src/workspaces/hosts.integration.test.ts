import { Bench } from '../../test/support/bench.js';
import { Database, SystemStore } from '../database/index.js';
import { noTracer, silentLog, systemIds } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { FakeRuntime } from '../runtime/testing/fake-runtime.js';
import { Placement } from './placement.js';
import { DueWorkspaces } from './sweep-due.js';
import { SweepReport } from './sweep-report.js';
import { Reconciler } from './reconciler.js';
import { Sweep } from './sweep.js';
import { JobHandlers } from '../queue/index.js';
import {
  CredentialsService,
  InstallationTokens,
  DueRenewals,
  EndingLogins,
  Issuer,
  KeyRotation,
  LoginPolling,
} from '../credentials/index.js';
import { Moves } from './moves.js';

/** A further worker on the same database: what it decides, and a runtime of its own. */
interface Worker {
  runtime: FakeRuntime;
  reconcile(workspaceId: string): Promise<void>;
  sweep: Sweep;
}

const LONG_AGO = `now() - interval '1 hour'`;

describe('workspaces of several hosts', () => {
  let bench: Bench;
  const opened: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(async () => {
    for (const each of opened) await each.close();
    await bench.close();
  });

  /** Workers share nothing but the database; here they also share the process, and that is all. */
  async function newWorker(): Promise<Worker> {
    const { app, parts, database: urls, world } = bench.app;
    const runtime = new FakeRuntime();
    const database = new Database(urls.appUrl);
    const system = new SystemStore(urls.systemUrl);
    opened.push(database, system);
    await bench.sql(
      `INSERT INTO host (id, name, version, started_at, seen_at) VALUES ($1, 'quay', 'test', now(), now())`,
      [runtime.hostId],
    );
    const get = <T>(type: new (...given: never[]) => T): T => app.get(type, { strict: false });
    const settings = parts.workspaceSettings;
    const queue = get(JobQueue);
    const due = new DueWorkspaces(system, settings);
    const placement = new Placement(database, system, queue, settings, runtime);
    const reconciler = new Reconciler(
      database,
      get(Moves),
      placement,
      get(CredentialsService),
      get(InstallationTokens),
      settings,
      world,
      runtime,
      silentLog,
      noTracer,
      new JobHandlers(),
    );
    return {
      runtime,
      reconcile: (workspaceId) =>
        reconciler.reconcile({ organizationId: bench.organization.id, workspaceId }),
      sweep: new Sweep(
        system,
        due,
        queue,
        settings,
        get(KeyRotation),
        get(LoginPolling),
        get(DueRenewals),
        get(EndingLogins),
        get(Issuer),
        runtime,
        silentLog,
        new JobHandlers(),
        new SweepReport(due, system),
      ),
    };
  }

  const hostOf = async (id: string): Promise<unknown> =>
    (await bench.sql('SELECT host_id FROM workspace WHERE id = $1', [id]))[0]?.host_id;
  const lose = (worker: Worker) =>
    bench.sql(`UPDATE host SET seen_at = ${LONG_AGO} WHERE id = $1`, [worker.runtime.hostId]);
  const comeBack = (worker: Worker) =>
    bench.sql('UPDATE host SET seen_at = now() WHERE id = $1', [worker.runtime.hostId]);
  /** Where the jobs of a workspace wait. */
  const queuesOf = async (id: string): Promise<unknown[]> =>
    (
      await bench.sql(
        `SELECT queue FROM bullmq.job WHERE name = 'workspace.reconcile' AND data->>'workspaceId' = $1 ORDER BY 1`,
        [id],
      )
    ).map(({ queue }) => queue);
  const noJobs = () => bench.sql('TRUNCATE bullmq.job, bullmq.dedup CASCADE');

  it('has one winner when many workers take a workspace at once, and the winner alone starts it', async () => {
    const workers = await Promise.all(Array.from({ length: 6 }, newWorker));
    for (let round = 0; round < 10; round++) {
      const { id } = await bench.create();
      await Promise.all(workers.map((worker) => worker.reconcile(id)));
      const started = workers.filter(({ runtime }) =>
        runtime.callsOf('start').some((call) => call.workspaceId === id),
      );
      expect(started).toHaveLength(1);
      expect(await hostOf(id)).toBe(started[0]?.runtime.hostId);
      expect(await bench.tokens(id)).toBe(2);
    }
    // It is somebody's who is fast, not always the same one's by chance of the order.
    expect(workers.flatMap(({ runtime }) => runtime.callsOf('start'))).toHaveLength(10);
  });

  it('hands a job of another host on to that host, and does nothing itself', async () => {
    const [first, second] = [await newWorker(), await newWorker()];
    const { id } = await bench.create();
    await first.reconcile(id);
    await noJobs();
    await second.reconcile(id);
    expect(second.runtime.calls).toEqual([]);
    expect(await queuesOf(id)).toEqual([`berth-${first.runtime.hostId}`]);
    // Whoever asks for something asks that host, too.
    await noJobs();
    await bench.wake(id);
    expect(await queuesOf(id)).toEqual([`berth-${first.runtime.hostId}`]);
  });

  it('never takes the workspaces of another host for orphans, whatever lies in its own folder', async () => {
    const [first, second] = [await newWorker(), await newWorker()];
    const { id } = await bench.create();
    await first.reconcile(id);
    await lose(first);
    // A copy of the folder, for example.
    const [call] = first.runtime.callsOf('start');
    if (!call) throw new Error('It was not started.');
    await second.runtime.start(call.request);
    await second.sweep.run();
    expect(second.runtime.callsOf('destroy')).toEqual([]);
    expect(await second.runtime.list()).toEqual([id]);
  });

  it('fails what ran on a lost host by name, and wakes it there when that host is back', async () => {
    const [lost, other] = [await newWorker(), await newWorker()];
    const { id } = await bench.create();
    await lost.reconcile(id);
    await lose(lost);
    await noJobs();
    await other.sweep.run();
    expect(await queuesOf(id)).toEqual(['berth']);
    await other.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({
      state: 'failed',
      stateReason: expect.stringContaining('quay') as string,
    });
    expect((await bench.operations(id)).at(-1)).toMatchObject({
      state: 'failed',
      error: { code: 'host-lost' },
    });
    expect(other.runtime.calls).toEqual([]);
    // Asked again it fails again, and is at rest meanwhile.
    await noJobs();
    await other.sweep.run();
    expect(await queuesOf(id)).toEqual([]);
    await bench.wake(id);
    expect(await queuesOf(id)).toEqual(['berth']);
    await other.reconcile(id);
    expect(await bench.state(id)).toBe('failed');

    await comeBack(lost);
    await noJobs();
    // Its runner may have lived on: the host cleans up what failed without it.
    await lost.sweep.run();
    expect(await queuesOf(id)).toEqual([`berth-${lost.runtime.hostId}`]);
    await lost.reconcile(id);
    expect(lost.runtime.callsOf('stop').map(({ workspaceId }) => workspaceId)).toEqual([id]);
    await bench.wake(id);
    await lost.reconcile(id);
    expect(await lost.runtime.inspect(id)).toBe('running');
  });

  it('leaves a workspace that sleeps on a lost host asleep, and says why it cannot wake', async () => {
    const [lost, other] = [await newWorker(), await newWorker()];
    const { id } = await bench.create();
    await lost.reconcile(id);
    await bench.sql(
      `UPDATE workspace SET state = 'hibernated', desired_state = 'hibernated', prepared_at = now() WHERE id = $1`,
      [id],
    );
    await lose(lost);
    await noJobs();
    await other.sweep.run();
    expect(await queuesOf(id)).toEqual([]);
    await bench.wake(id);
    await other.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({
      state: 'failed',
      stateReason: expect.stringContaining('quay') as string,
    });
  });

  it.each(['running', 'failed'] as const)(
    'deletes the rows of one on a lost host, %s, and that host its files when it is back',
    async (state) => {
      const [lost, other] = [await newWorker(), await newWorker()];
      const { id } = await bench.create();
      await lost.reconcile(id);
      await lose(lost);
      if (state === 'failed') await other.reconcile(id);
      await bench.delete(id);
      await other.reconcile(id);
      expect(await bench.state(id)).toBe('gone');
      expect(await lost.runtime.list()).toEqual([id]);
      await comeBack(lost);
      await lost.sweep.run();
      expect(await lost.runtime.list()).toEqual([]);
      expect(other.runtime.callsOf('destroy').map(({ workspaceId }) => workspaceId)).not.toContain(
        systemIds.next(),
      );
    },
  );

  it('gives workspaces from before there were hosts to the host that has their files, and to no other', async () => {
    const [without, having] = [await newWorker(), await newWorker()];
    const { id } = await bench.create();
    await bench.sql(`UPDATE workspace SET state = 'running', prepared_at = now() WHERE id = $1`, [id]);
    await without.reconcile(id);
    expect([await hostOf(id), without.runtime.calls]).toEqual([null, []]);
    await having.runtime.start({
      organizationId: bench.organization.id,
      workspaceId: id,
      repository: { type: 'https', url: 'https://x.example/a/b.git', path: 'x.example/a/b.git' },
      agent: 'claude',
      runnerToken: 'r',
      proxyToken: 'p',
      git: null,
    });
    await without.sweep.start();
    without.sweep.stop();
    expect(await hostOf(id)).toBeNull();
    await having.sweep.start();
    having.sweep.stop();
    expect(await hostOf(id)).toBe(having.runtime.hostId);
  });

  it('can delete one from before there were hosts whose files are nowhere', async () => {
    const worker = await newWorker();
    const { id } = await bench.create();
    await bench.sql(`UPDATE workspace SET state = 'running', prepared_at = now() WHERE id = $1`, [id]);
    await bench.delete(id);
    await worker.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
  });
});
