import { tellThroughPostgres, type OpenDatabase, type Tell } from '../database/index.js';
import { PostgresNotices, RedisNotices, tellThroughRedis, type Notices } from '../events/index.js';
import type { Log } from '../kernel/index.js';
import { postgresBackend, redisBackend, type QueueBackend } from '../queue/index.js';
import { RedisServer } from '../redis/index.js';

/** What goes between the processes of one Berth besides the rows: jobs, and notices of changes. Losing all of it delays work and loses none. */
export interface Wires {
  queue: QueueBackend;
  /** The sending end of notices, for the database's transactions. */
  tell: Tell;
  /** The receiving end. */
  notices: Notices;
  close(): Promise<void>;
}

/** On Redis when there is one, else on Postgres. Throws `redis-unavailable` when REDIS_URL leads nowhere: never on Postgres instead, where other processes would not look. */
export async function openWires(
  redisUrl: string | undefined,
  { appUrl, queueUrl, system }: Pick<OpenDatabase, 'appUrl' | 'queueUrl' | 'system'>,
  log: Log,
): Promise<Wires> {
  if (redisUrl === undefined) {
    return {
      queue: postgresBackend(queueUrl),
      tell: tellThroughPostgres,
      notices: new PostgresNotices(appUrl, log),
      close: () => Promise.resolve(),
    };
  }
  const redis = new RedisServer(redisUrl, await system.instanceId(), log);
  await redis.open();
  return {
    queue: redisBackend(redis),
    tell: tellThroughRedis(redis, log),
    notices: new RedisNotices(redis, log),
    close: () => redis.close(),
  };
}
