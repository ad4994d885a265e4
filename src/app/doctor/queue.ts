import { inspectDatabase } from '../../database/index.js';
import { silentLog } from '../../kernel/index.js';
import { RedisServer } from '../../redis/index.js';
import { ok, warn, type Finding } from './report.js';

/** The job queue on Postgres has its place, or gets it. */
export async function postgresQueue(ownerUrl: string | null): Promise<Finding> {
  if (ownerUrl === null) return ok('on Postgres, made at the first start');
  const { hasQueue } = await inspectDatabase(ownerUrl);
  return ok(hasQueue ? 'on Postgres' : 'on Postgres, made at the next start');
}

/** The Redis of the job queue answers, is new enough (else it throws with what to do), and keeps what it is given. */
export async function redisQueue(url: string): Promise<Finding> {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
  const redis = new RedisServer(url, 'doctor', log);
  try {
    await redis.open();
    // Before it is closed: a connection that ends is told as a warning too.
    const [concern] = warnings;
    return concern === undefined
      ? ok('on Redis')
      : warn(concern, 'Set it in redis.conf, or where your provider lets you, and start Redis again.');
  } finally {
    await redis.close();
  }
}
