import { randomUUID } from 'node:crypto';
import type { Queue } from 'bullmq';
import { silentLog } from '../../src/kernel/index.js';
import { postgresBackend, redisBackend, type QueueBackend } from '../../src/queue/index.js';
import { RedisServer } from '../../src/redis/index.js';
import { createTestDatabase } from './postgres.js';
import { TestRedis } from './redis.js';
import { withClient } from './tables.js';

/** Where a queue is kept, with what can happen to it there. */
export interface QueueStore {
  backend: QueueBackend;
  /** Every job is gone. */
  loseAll(): Promise<unknown>;
  /** What waits looks as a process leaves it that was killed: active, its lock run out, seen by one check already. */
  abandonAll(jobs: Queue): Promise<unknown>;
  /** It answers nobody until `answer`. */
  silence(): Promise<unknown>;
  answer(): Promise<unknown>;
  close(): Promise<void>;
}

/** Both stores, for `describe.each`: the same tests hold for either. */
export const queueStores = [
  { name: 'Postgres', open: onPostgres },
  { name: 'Redis', open: onRedis },
];

async function onPostgres(): Promise<QueueStore> {
  const database = await createTestDatabase();
  const sql = (text: string) => withClient(database.ownerUrl, (client) => client.query(text));
  return {
    backend: postgresBackend(database.queueUrl),
    loseAll: () => sql('TRUNCATE bullmq.job CASCADE'),
    abandonAll: () =>
      sql(`UPDATE bullmq.job SET state = 'active', lock_token = 'dead', locked_until_ms = 1,
                  stalled_marked = true, attempts_started = 1, processed_at_ms = 1`),
    silence: () => sql('REVOKE USAGE ON SCHEMA bullmq FROM berth_queue'),
    answer: () => sql('GRANT USAGE ON SCHEMA bullmq TO berth_queue'),
    close: () => database.drop(),
  };
}

async function onRedis(): Promise<QueueStore> {
  const redis = await TestRedis.start();
  const server = new RedisServer(redis.url, randomUUID(), silentLog);
  await server.open();
  return {
    backend: redisBackend(server),
    loseAll: () => redis.flush(),
    abandonAll: (jobs) =>
      redis.with(async (client) => {
        const { wait, active, stalled } = jobs.keys as Record<string, string>;
        for (let id: string | null; (id = await client.lmove(wait ?? '', active ?? '', 'RIGHT', 'LEFT'));)
          await client.sadd(stalled ?? '', id);
      }),
    silence: () => redis.pause(),
    answer: () => redis.resume(),
    close: async () => {
      await server.close();
      await redis.remove();
    },
  };
}
