import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPostgresBackend, Queue, withBackend, Worker } from 'bullmq';
import { startEmbeddedPostgres } from '../../src/database/embedded/index.js';
import { ensureGroupRoles, ensureLogins } from '../../src/database/logins.js';
import { migrate } from '../../src/database/migrator.js';
import { noTracer, silentLog, silentMetrics } from '../../src/kernel/index.js';
import {
  JobHandlers,
  JobQueue,
  jobs,
  JobWorker,
  postgresBackend,
  redisBackend,
} from '../../src/queue/index.js';
import type { JobName, QueueBackend } from '../../src/queue/index.js';
import { RedisServer } from '../../src/redis/index.js';
import { TestRedis } from '../../test/support/redis.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { within } from '../support/deadline.js';
import { median, timed, timeRow } from '../support/samples.js';

const ROUNDS = 5;
const JOBS = 1_000;
/** How many adds are under way at once, as of that many requests. */
const ADDERS = 20;
const SINGLE_JOBS = 200;
const CONCURRENCY = 10;
/** What of plain BullMQ's speed the catalog should keep. */
const AIM = 0.9;
const migrationsDirectory = path.join(import.meta.dirname, '../../prisma/migrations');

/** What the catalog, its payloads and its deduplication cost on top of BullMQ. */
export const queue: Bench = { name: 'queue', run };

/** A queue with somebody who works on it: `add` puts a job there, `done` is told of each that was worked on. */
interface Line {
  add(): Promise<unknown>;
  done: () => void;
}

async function run(context: BenchContext): Promise<Row[]> {
  const postgresUrl = await startPostgres(context);
  const redis = await startRedis(context);
  return [
    ...(await compare(
      context,
      'Postgres',
      ours(context, postgresBackend(postgresUrl)),
      plainOnPostgres(context, postgresUrl),
    )),
    ...(await compare(context, 'Redis', ours(context, redisBackend(redis)), plainOnRedis(context, redis))),
  ];
}

async function compare(context: BenchContext, store: string, mine: Line, plain: Line): Promise<Row[]> {
  const [many, manyPlain, single, singlePlain]: number[][] = [[], [], [], []];
  // The first of each opens connections and loads scripts.
  await addAndDo(mine, 50);
  await addAndDo(plain, 50);
  for (let round = 1; round <= ROUNDS; round++) {
    context.say(`${store}, round ${round} of ${ROUNDS}`);
    // In turns, and the other one first the next time: who comes second finds a warmer machine.
    const turns: [number[] | undefined, Line][] = [
      [many, mine],
      [manyPlain, plain],
    ];
    for (const [samples, line] of round % 2 ? turns : turns.reverse())
      samples?.push(await timed(() => addAndDo(line, JOBS)));
  }
  context.say(`${store}, one job at a time`);
  for (let count = 0; count < SINGLE_JOBS; count++) {
    singlePlain?.push(await timed(() => addAndDo(plain, 1)));
    single?.push(await timed(() => addAndDo(mine, 1)));
  }
  const perSecond = Math.round((JOBS * 1000) / median(many ?? []));
  return [
    withAim(
      timeRow(`${JOBS} jobs added and done on ${store} (${perSecond}/s)`, many ?? [], {
        what: 'the same by plain BullMQ',
        samples: manyPlain ?? [],
      }),
    ),
    withAim(
      timeRow(`one job, from add to done, on ${store}`, single ?? [], {
        what: 'the same by plain BullMQ',
        samples: singlePlain ?? [],
      }),
    ),
  ];
}

function withAim(row: Row): Row {
  return { ...row, aim: row.yardstick && Math.round((row.yardstick.value / AIM) * 100) / 100 };
}

/** Comes back when `count` jobs were added and worked on. */
async function addAndDo(line: Line, count: number): Promise<void> {
  let [toAdd, toDo] = [count, count];
  const done = new Promise<void>((resolve) => {
    line.done = () => {
      if (--toDo === 0) resolve();
    };
  });
  const adder = async (): Promise<void> => {
    while (toAdd-- > 0) await line.add();
  };
  await Promise.all(Array.from({ length: Math.min(ADDERS, count) }, adder));
  await within('all jobs are done', done);
}

function ours(context: BenchContext, backend: QueueBackend): Line {
  const handlers = new JobHandlers();
  const [jobQueue, worker] = [
    new JobQueue(backend, silentLog, silentMetrics),
    new JobWorker(backend, handlers, silentLog, silentMetrics, noTracer),
  ];
  const line: Line = {
    done: () => undefined,
    add: () => jobQueue.add('workspace.reconcile', ids()),
  };
  for (const name of Object.keys(jobs) as JobName[]) {
    handlers.add(name, () => {
      line.done();
      return Promise.resolve();
    });
  }
  worker.start();
  context.defer(() => jobQueue.onApplicationShutdown());
  context.defer(() => worker.stop());
  return line;
}

function plainOnPostgres(context: BenchContext, connectionString: string): Line {
  const plain = withBackend(createPostgresBackend);
  const connection = { connectionString, schema: 'bullmq' };
  return plainLine(
    context,
    (work) => new plain.Worker('plain', work, { connection, concurrency: CONCURRENCY }),
    new plain.Queue('plain', { connection }),
  );
}

function plainOnRedis(context: BenchContext, redis: RedisServer): Line {
  return plainLine(
    context,
    (work) => new Worker('plain', work, { connection: redis.patient, concurrency: CONCURRENCY }),
    new Queue('plain', { connection: redis.commands }),
  );
}

function plainLine(
  context: BenchContext,
  worker: (work: () => Promise<void>) => { close(): Promise<void> },
  plain: {
    add(name: string, data: object, options: object): Promise<unknown>;
    close(): Promise<void>;
  },
): Line {
  const line: Line = {
    done: () => undefined,
    add: () => plain.add('job', ids(), { removeOnComplete: { count: 100 } }),
  };
  const works = worker(() => {
    line.done();
    return Promise.resolve();
  });
  context.defer(() => plain.close());
  context.defer(() => works.close());
  return line;
}

const ids = () => ({ organizationId: randomUUID(), workspaceId: randomUUID() });

/** A server of its own, migrated; answers the URL of the queue's login. */
async function startPostgres(context: BenchContext): Promise<string> {
  const home = await mkdtemp(path.join(tmpdir(), 'berth-bench-queue-'));
  context.defer(() => rm(home, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres({ directory: path.join(home, 'postgres'), log: silentLog });
  context.defer(() => server.stop());
  const { ownerUrl } = server;
  await ensureGroupRoles(ownerUrl);
  await migrate({ ownerUrl, migrationsDirectory, log: silentLog });
  return (await ensureLogins({ ownerUrl })).queueUrl;
}

async function startRedis(context: BenchContext): Promise<RedisServer> {
  const redis = await TestRedis.start();
  context.defer(() => redis.remove());
  const server = new RedisServer(redis.url, randomUUID(), silentLog);
  await server.open();
  context.defer(() => server.close());
  return server;
}
