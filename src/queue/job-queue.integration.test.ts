import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Queue } from 'bullmq';
import 'reflect-metadata';
import { eventually } from '../../test/support/eventually.js';
import { queueStores, type QueueStore } from '../../test/support/queue-stores.js';
import { LOG, METRICS, noTracer, silentLog, silentMetrics, systemIds, TRACER } from '../kernel/index.js';
import {
  JobHandlers,
  jobs as catalog,
  JobQueue,
  JobWorker,
  MAIN_QUEUE,
  PATIENT_QUEUE,
  QueueModule,
  queueOf,
  QueueWorkModule,
  type JobName,
  type JobPayload,
} from './index.js';

@Module({
  providers: [
    { provide: LOG, useValue: silentLog },
    { provide: METRICS, useValue: silentMetrics },
    { provide: TRACER, useValue: noTracer },
  ],
  exports: [LOG, METRICS, TRACER],
})
class LogModule {}

@Module({})
class Root {}

type Ref = JobPayload<'workspace.reconcile'>;
/** The host whose worker this is, and another. */
const HOST = '019a0000-0000-7000-8000-0000000000aa';
const OTHER_HOST = '019a0000-0000-7000-8000-0000000000bb';
const newRef = (): Ref => ({ organizationId: systemIds.next(), workspaceId: systemIds.next() });

/** Work whose end the test decides. */
class Gate {
  entered = 0;
  #open: () => void = () => undefined;
  #opened = new Promise<void>((resolve) => (this.#open = resolve));

  async pass(): Promise<void> {
    this.entered++;
    await this.#opened;
  }

  open(): void {
    this.#open();
  }
}

describe.each(queueStores)('the queue on $name', ({ open }) => {
  let store: QueueStore;
  let context: INestApplicationContext;
  let queue: JobQueue;
  let worker: JobWorker;
  let jobs: Queue;
  let reconcile: (ref: Ref) => Promise<void>;
  let sweep: () => Promise<void>;
  let hostSweep: () => Promise<void>;
  let renew: () => Promise<void>;

  beforeEach(async () => {
    store = await open();
    const module = {
      module: Root,
      imports: [{ module: LogModule, global: true }, QueueModule.on(store.backend), QueueWorkModule],
    };
    context = await NestFactory.createApplicationContext(module, { logger: false });
    queue = context.get(JobQueue);
    worker = context.get(JobWorker);
    jobs = store.backend.queue(MAIN_QUEUE).on('error', () => undefined);
    await jobs.waitUntilReady();
    reconcile = () => Promise.resolve();
    sweep = () => Promise.resolve();
    hostSweep = () => Promise.resolve();
    renew = () => Promise.resolve();
    const handlers = context.get(JobHandlers);
    handlers.add('workspace.reconcile', (ref) => reconcile(ref));
    handlers.add('sweep', () => sweep());
    handlers.add('host.sweep', () => hostSweep());
    handlers.add('credential.renew', () => renew());
    const played: JobName[] = ['workspace.reconcile', 'sweep', 'host.sweep', 'credential.renew'];
    for (const name of Object.keys(catalog) as JobName[])
      if (!played.includes(name)) handlers.add(name, () => Promise.resolve());
  });
  afterEach(async () => {
    await worker.stop();
    await jobs.close();
    await context.close();
    await store.close();
  });

  const atRest = async (): Promise<boolean> => {
    const { waiting, active, delayed } = await jobs.getJobCounts('waiting', 'active', 'delayed');
    return waiting === 0 && active === 0 && delayed === 0;
  };

  it('runs a job once however often it was asked for before, whichever way round its ids stand', async () => {
    const ref = newRef();
    const runs: Ref[] = [];
    reconcile = (given) => Promise.resolve(void runs.push(given));
    await Promise.all(Array.from({ length: 10 }, () => queue.add('workspace.reconcile', ref)));
    await queue.add('workspace.reconcile', {
      workspaceId: ref.workspaceId,
      organizationId: ref.organizationId,
    });
    const other = newRef();
    await queue.add('workspace.reconcile', other);
    worker.start();
    await eventually('the queue is empty', atRest);
    expect(runs).toHaveLength(2);
    expect(runs).toEqual(expect.arrayContaining([ref, other]));
  });

  it('runs exactly one more when it was asked for many times while one runs', async () => {
    const ref = newRef();
    const gate = new Gate();
    let atOnce = 0;
    let most = 0;
    reconcile = async () => {
      most = Math.max(most, ++atOnce);
      await gate.pass();
      atOnce--;
    };
    worker.start();
    await queue.add('workspace.reconcile', ref);
    await eventually('it runs', () => gate.entered === 1);
    await Promise.all(Array.from({ length: 10 }, () => queue.add('workspace.reconcile', ref)));
    gate.open();
    await eventually('it ran again', () => gate.entered === 2);
    await eventually('the queue is empty', atRest);
    expect([gate.entered, most]).toEqual([2, 1]);
  });

  it('runs nothing more while one runs, of what is enough once; asked for after it, it runs again', async () => {
    const ref = { organizationId: systemIds.next(), credentialId: systemIds.next(), generation: 1 };
    const gate = new Gate();
    renew = () => gate.pass();
    const ask = () => queue.add('credential.renew', ref);
    const isQuiet = async (): Promise<boolean> => {
      const { waiting, active, delayed } = await queue.counts(PATIENT_QUEUE);
      return waiting + active + delayed === 0;
    };
    worker.start(PATIENT_QUEUE);
    await ask();
    await eventually('it runs', () => gate.entered === 1);
    await Promise.all(Array.from({ length: 10 }, ask));
    gate.open();
    await eventually('nothing is left to do', isQuiet);
    expect(gate.entered).toBe(1);
    await ask();
    await eventually('it runs again', () => gate.entered === 2);
    await eventually('nothing is left to do', isQuiet);
  });

  it('tries a failed job again, after a pause that grows, and at once when somebody asks', async () => {
    const ref = newRef();
    let runs = 0;
    reconcile = () => (++runs < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve());
    worker.start();
    await queue.add('workspace.reconcile', ref);
    const pauses: number[] = [];
    for (const failures of [1, 2]) {
      await eventually('it pauses', async () => runs === failures && (await jobs.getDelayedCount()) === 1);
      pauses.push((await jobs.getDelayed())[0]?.delay ?? 0);
      const asked = performance.now();
      await queue.add('workspace.reconcile', ref);
      await eventually('it was tried again', () => runs === failures + 1);
      expect(performance.now() - asked).toBeLessThan(1500);
    }
    await eventually('the queue is empty', atRest);
    expect([runs, pauses]).toEqual([3, [2000, 4000]]);
  });

  it('can be asked for again after it failed for good', async () => {
    let runs = 0;
    sweep = () => (++runs === 1 ? Promise.reject(new Error('no')) : Promise.resolve());
    worker.start();
    await queue.add('sweep', {});
    await eventually('it failed', async () => (await jobs.getFailedCount()) === 1);
    await queue.add('sweep', {});
    await eventually('it ran again', () => runs === 2);
  });

  it('goes on when every queued job is lost: what is asked for again is done', async () => {
    const ref = newRef();
    const gate = new Gate();
    reconcile = () => gate.pass();
    worker.start();
    await queue.add('workspace.reconcile', ref);
    await eventually('it runs', () => gate.entered === 1);
    await queue.add('workspace.reconcile', ref);
    await store.loseAll();
    gate.open();
    await queue.add('workspace.reconcile', ref);
    await eventually('it ran again', () => gate.entered >= 2);
    await eventually('the queue is empty', atRest);
  });

  it('takes up what a killed process had in hand', async () => {
    const ref = newRef();
    let runs = 0;
    reconcile = () =>
      Promise.resolve()
        .then(() => runs++)
        .then(() => undefined);
    await queue.add('workspace.reconcile', ref);
    await store.abandonAll(jobs);
    worker.start();
    await eventually('it ran', () => runs === 1);
    await eventually('the queue is empty', atRest);
  });

  it('waits at the end for what is in hand, and takes no more', async () => {
    const gate = new Gate();
    reconcile = () => gate.pass();
    worker.start();
    await queue.add('workspace.reconcile', newRef());
    await eventually('it runs', () => gate.entered === 1);
    let stopped = false;
    const stop = worker.stop().then(() => (stopped = true));
    // What is added now may still be taken, by a fetch that was under way when the stop came; then it is in hand, too.
    await queue.add('workspace.reconcile', newRef());
    expect(stopped).toBe(false);
    gate.open();
    await stop;
    const waiting = await jobs.getWaitingCount();
    expect(gate.entered + waiting).toBe(2);
    expect(await jobs.getActiveCount()).toBe(0);
    await queue.add('workspace.reconcile', newRef());
    expect(await jobs.getWaitingCount()).toBe(waiting + 1);
  });

  it('keeps only ids of what it is asked to do, and not for ever', async () => {
    const ref = newRef();
    await queue.add('workspace.reconcile', ref);
    const [job] = await jobs.getWaiting();
    expect(job?.data).toEqual(ref);
    expect(job?.opts.removeOnFail).toMatchObject({ count: expect.any(Number) as number });
    worker.start();
    await eventually('nothing of it is left', async () => (await jobs.getJobCountByTypes()) === 0);
  });

  it('leaves the jobs of another host to that host, and does those of its own and those of nobody', async () => {
    const [own, nobodys, others] = [newRef(), newRef(), newRef()];
    const runs: Ref[] = [];
    let sweeps = 0;
    reconcile = (given) => Promise.resolve(void runs.push(given));
    hostSweep = async () => {
      await Promise.resolve();
      sweeps++;
    };
    await queue.add('workspace.reconcile', others, { host: OTHER_HOST });
    await queue.add('workspace.reconcile', own, { host: HOST });
    await queue.add('workspace.reconcile', nobodys);
    await queue.add('host.sweep', {}, { host: OTHER_HOST });
    await queue.add('host.sweep', {}, { host: HOST });
    worker.start();
    worker.start(queueOf(HOST));
    await eventually('its own are done', () => runs.length === 2 && sweeps === 1);
    expect(runs).toEqual(expect.arrayContaining([own, nobodys]));
    expect(await queue.counts(queueOf(OTHER_HOST))).toMatchObject({ waiting: 2, active: 0 });
  });

  it('follows a rhythm that many ask for once per beat, and goes on when everything queued is lost', async () => {
    let runs = 0;
    sweep = async () => {
      await Promise.resolve();
      runs++;
    };
    worker.start();
    const ask = () => queue.add('sweep', {}, { onceInSeconds: 2 });
    await Promise.all(Array.from({ length: 10 }, ask));
    await eventually('it ran', () => runs === 1);
    await ask();
    await eventually('the queue is empty', atRest);
    expect(runs).toBe(1);
    await store.loseAll();
    await eventually('the next beat runs', async () => {
      await ask();
      return runs === 2;
    });
  });

  it('says when its store does not answer', async () => {
    await expect(queue.ping()).resolves.toBeUndefined();
    await store.silence();
    await expect(queue.ping()).rejects.toThrow();
    await store.answer();
    await eventually('it answers again', () =>
      queue.ping().then(
        () => true,
        () => false,
      ),
    );
  });
});

it('does not start while a job has no handler', () => {
  const worker = new JobWorker(null as never, new JobHandlers(), silentLog, silentMetrics, noTracer);
  expect(() => worker.start()).toThrow('No handler for the jobs');
});
