import { fileURLToPath } from 'node:url';
import { Cluster, type ClusterOptions } from '../../test/support/cluster.js';
import globalSetup from '../../test/support/global-setup.js';
import globalTeardown from '../../test/support/global-teardown.js';
import type { BenchContext } from '../bench.js';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));

/** The Postgres that clusters of this bench make their databases in. Once in a bench, before the first of them. */
export async function startPostgres(context: BenchContext): Promise<void> {
  await globalSetup(null, { rootDir });
  context.defer(globalTeardown);
}

/** The built Berth as several processes; they are taken away when the bench ends. */
export async function startCluster(context: BenchContext, options: ClusterOptions): Promise<Cluster> {
  const environment = { LOG_LEVEL: 'warn', ...options.environment };
  const cluster = await Cluster.start({ ...options, environment });
  context.defer(() => cluster.close());
  return cluster;
}
