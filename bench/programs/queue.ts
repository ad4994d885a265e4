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
  what: string;
  add(): Promise<unknown>;
  done: () => void;
}

interface PlainQueue {
  add(name: string, data: object, options: object): Promise<unknown>;
  close(): Promise<void>;
}

/** How plain BullMQ is used: `bare` as by somebody who needs no guarantee, `same` with every option that the catalog gives its jobs. Done jobs go at once, as the catalog's. */
type Plain = 'bare' | 'same';

async function run(context: BenchContext): Promise<Row[]> {
  const postgresUrl = await startPostgres(context);
  const redis = await startRedis(context);
  return [
    ...(await compare(context, 'Postgres', ours(context, postgresBackend(postgresUrl)), [
      plainOnPostgres(context, postgresUrl, 'bare'),
      plainOnPostgres(context, postgresUrl, 'same'),
    ])),
    ...(await compare(context, 'Redis', ours(context, redisBackend(redis)), [
      plainOnRedis(context, redis, 'bare'),
      plainOnRedis(context, redis, 'same'),
    ])),
  ];
}

async function compare(context: BenchContext, store: string, mine: Line, plain: Line[]): Promise<Row[]> {
  const lines = [mine, ...plain].map((line) => ({ line, many: [] as number[], single: [] as number[] }));
  // The first of each opens connections and loads scripts.
  for (const { line } of lines) await addAndDo(line, 50);
  for (let round = 1; round <= ROUNDS; round++) {
    context.say(`${store}, round ${round} of ${ROUNDS}`);
    // In turns, and another one first the next time: who comes later finds a warmer machine.
    for (const { line, many } of turned(lines, round)) many.push(await timed(() => addAndDo(line, JOBS)));
  }
  context.say(`${store}, one job at a time`);
  for (let count = 0; count < SINGLE_JOBS; count++) {
    for (const { line, single } of turned(lines, count)) single.push(await timed(() => addAndDo(line, 1)));
  }
  const [own, ...yardsticks] = lines;
  if (!own) return [];
  const perSecond = Math.round((JOBS * 1000) / median(own.many));
  const against = (what: string, of: 'many' | 'single'): Row[] =>
    yardsticks.map((yardstick) =>
      withAim(timeRow(what, own[of], { what: `the same by ${yardstick.line.what}`, samples: yardstick[of] })),
    );
  return [
    ...against(`${JOBS} jobs added and done on ${store} (${perSecond}/s)`, 'many'),
    ...against(`one job, from add to done, on ${store}`, 'single'),
  ];
}

function turned<T>(list: readonly T[], by: number): T[] {
  const first = by % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
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
    what: 'the catalog',
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

function plainOnPostgres(context: BenchContext, connectionString: string, how: Plain): Line {
  const plain = withBackend(createPostgresBackend);
  const connection = { connectionString, schema: 'bullmq' };
  return plainLine(
    context,
    how,
    (work) => new plain.Worker(how, work, { connection, concurrency: CONCURRENCY }),
    new plain.Queue(how, { connection }),
  );
}

function plainOnRedis(context: BenchContext, redis: RedisServer, how: Plain): Line {
  return plainLine(
    context,
    how,
    (work) => new Worker(how, work, { connection: redis.patient, concurrency: CONCURRENCY }),
    new Queue(how, { connection: redis.commands }),
  );
}

function plainLine(
  context: BenchContext,
  how: Plain,
  worker: (work: () => Promise<void>) => { close(): Promise<void> },
  plain: PlainQueue,
): Line {
  const line: Line = {
    what: how === 'bare' ? 'plain BullMQ' : 'plain BullMQ with the same options',
    done: () => undefined,
    add: () => {
      const data = ids();
      return plain.add('job', data, how === 'bare' ? { removeOnComplete: true } : sameOptions(data));
    },
  };
  const works = worker(() => {
    line.done();
    return Promise.resolve();
  });
  context.defer(() => plain.close());
  context.defer(() => works.close());
  return line;
}

/** What `JobQueue` gives each job; written out here, since only the way there is to be measured. */
function sameOptions({ organizationId, workspaceId }: ReturnType<typeof ids>): object {
  const { attempts, backoffSeconds } = jobs['workspace.reconcile'];
  return {
    attempts,
    backoff: { type: 'exponential', delay: backoffSeconds * 1000 },
    deduplication: { id: `job/${organizationId}/${workspaceId}`, keepLastIfActive: true, reschedule: true },
    removeOnComplete: true,
    removeOnFail: { count: 1000 },
  };
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
