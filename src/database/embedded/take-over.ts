import { BerthError, messageOf, type Log, type Secret } from '../../kernel/index.js';
import { findPostmaster, type ClusterPaths, type Postmaster } from './cluster.js';
import { Guard, lockOrphan, superuserUrl } from './guard.js';
import { poll } from './processes.js';
import { stopForeignServer } from './server.js';

const REACH_TIMEOUT_MS = 60_000;
const REACH_POLL_MS = 200;

/**
 * Makes sure that no server runs on the cluster. Throws `data-directory-in-use` when the running one is another Berth's, stops it
 * when it is the orphan of a Berth that crashed, and throws `database-unavailable` when it answers nobody.
 */
export async function takeOver(paths: ClusterPaths, password: Secret, log: Log): Promise<void> {
  let last: { pid: number; error: unknown } | undefined;
  const free = await poll(
    async () => {
      const found = await findPostmaster(paths);
      if (found === undefined) return true;
      try {
        await stopOrphan(found, paths, password, log);
      } catch (error) {
        if (error instanceof BerthError) throw error;
        // It starts or ends just now, or the connection broke: look again.
        last = { pid: found.pid, error };
      }
      return undefined;
    },
    { timeoutMs: REACH_TIMEOUT_MS, intervalMs: REACH_POLL_MS },
  );
  if (free === true) return;
  const pid = last?.pid ?? 'unknown';
  throw new BerthError(
    'database-unavailable',
    `A Postgres (process ${pid}) runs on ${paths.data} but does not answer: ${messageOf(last?.error)}. ` +
      `Stop it with "kill -INT ${pid}" and start Berth again.`,
    { cause: last?.error },
  );
}

async function stopOrphan(found: Postmaster, paths: ClusterPaths, password: Secret, log: Log): Promise<void> {
  const guard = await Guard.connect(superuserUrl(found.port, password));
  try {
    await lockOrphan(guard, paths.directory);
    log.warn({ pid: found.pid }, 'stopping the Postgres that a crashed Berth left behind');
    await stopForeignServer(found.pid, paths);
  } finally {
    await guard.close();
  }
}
