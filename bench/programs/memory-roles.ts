import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../src/database/index.js';
import { silentLog } from '../../src/kernel/index.js';
import { proxyOf } from '../../test/e2e/support/processes.js';
import type { BerthProcess } from '../../test/support/berth.js';
import type { BenchContext } from '../bench.js';
import { found } from '../support/deadline.js';
import { memoryOf, memoryOfAll, settledMemory, type Memory } from '../support/memory.js';
import { startBerth } from '../support/system.js';

/** Nobody listens there: what export costs at rest is the packages and the spans that wait. */
const NO_COLLECTOR = 'http://127.0.0.1:9';

/** One process (the worker with its proxy) at rest. */
export interface RoleMemory {
  what: string;
  memory: Memory;
}

/** Idle memory of each role on one Postgres, without Redis and with it, and of an api that exports traces. */
export async function memoryOfRoles(context: BenchContext, redisUrl: string): Promise<RoleMemory[]> {
  const shared = {
    DATABASE_URL: await startPostgres(context),
    BERTH_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  };
  context.say('an api and a worker');
  const api = await startBerth(context, { ...shared, BERTH_ROLE: 'api' });
  const work = { ...shared, BERTH_ROLE: 'worker', BERTH_INTERNAL_URL: api.url };
  const worker = await startBerth(context, work);
  const alone = await apiAndWorker(api, worker, 'idle');

  context.say('an api and a worker with Redis');
  const withRedis = { REDIS_URL: redisUrl };
  await worker.stop();
  await api.stop();
  await api.start(withRedis);
  await worker.start({ ...withRedis, BERTH_INTERNAL_URL: api.url });
  const onRedis = await apiAndWorker(api, worker, 'with Redis, idle');

  context.say('an api that exports traces');
  await worker.stop();
  await api.stop();
  await api.start({ OTEL_EXPORTER_OTLP_ENDPOINT: NO_COLLECTOR });
  const traced = await settledMemory(() => memoryOf(api.pid));
  return [...alone, ...onRedis, { what: 'api that exports traces, idle', memory: traced }];
}

/** Both while the other runs too. */
async function apiAndWorker(api: BerthProcess, worker: BerthProcess, how: string): Promise<RoleMemory[]> {
  const proxy = await found('the proxy runs', () => proxyOf(worker.pid));
  const [apis, workers, both] = await Promise.all([
    settledMemory(() => memoryOf(api.pid)),
    settledMemory(() => memoryOf(worker.pid)),
    settledMemory(() => memoryOfAll([worker.pid, proxy])),
  ]);
  return [
    { what: `api, ${how}`, memory: apis },
    { what: `worker + proxy, ${how}`, memory: both },
    { what: '  of it the worker', memory: workers },
  ];
}

/** A server of its own; answers the URL of its owner. */
async function startPostgres(context: BenchContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'berth-bench-postgres-'));
  context.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const postgres = await startEmbeddedPostgres({ directory: folder, log: silentLog });
  context.defer(() => postgres.stop());
  return postgres.ownerUrl;
}
