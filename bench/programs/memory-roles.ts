import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../src/database/index.js';
import { silentLog } from '../../src/kernel/index.js';
import { proxyOf } from '../../test/e2e/support/processes.js';
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

/** Idle memory of each role on one Postgres, and of one that exports traces. */
export async function memoryOfRoles(context: BenchContext): Promise<RoleMemory[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'berth-bench-postgres-'));
  context.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const postgres = await startEmbeddedPostgres({ directory: folder, log: silentLog });
  context.defer(() => postgres.stop());
  const shared = {
    DATABASE_URL: postgres.ownerUrl,
    BERTH_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  };
  const settled = (pids: number[]): Promise<Memory> => settledMemory(() => memoryOfAll(pids));

  context.say('an api');
  const api = await startBerth(context, { ...shared, BERTH_ROLE: 'api' });
  context.say('a worker');
  const work = { ...shared, BERTH_ROLE: 'worker', BERTH_INTERNAL_URL: api.url };
  const worker = await startBerth(context, work);
  const proxy = await found('the proxy runs', () => proxyOf(worker.pid));
  context.say('an api that exports traces');
  const traced = await startBerth(context, {
    ...shared,
    BERTH_ROLE: 'api',
    OTEL_EXPORTER_OTLP_ENDPOINT: NO_COLLECTOR,
  });
  return [
    { what: 'api, idle, RSS', memory: await settled([api.pid]) },
    { what: 'worker + proxy, idle, RSS', memory: await settled([worker.pid, proxy]) },
    { what: '  of it the worker, RSS', memory: await settledMemory(() => memoryOf(worker.pid)) },
    { what: 'api that exports traces, idle, RSS', memory: await settled([traced.pid]) },
  ];
}
