import { randomUUID } from 'node:crypto';
import { eventually } from '../../test/support/eventually.js';
import { TestRedis } from '../../test/support/redis.js';
import type { Telling } from '../database/tell.js';
import { RedisNotices, tellThroughRedis } from '../events/index.js';
import { silentLog } from '../kernel/index.js';
import { MAIN_QUEUE, redisBackend } from '../queue/index.js';
import { RedisServer } from '../redis/index.js';

/** One Berth's end of the Redis, as wires.ts opens it. */
async function open(url: string) {
  const server = new RedisServer(url, randomUUID(), silentLog);
  await server.open();
  const backend = redisBackend(server);
  const done: unknown[] = [];
  const heard: string[] = [];
  const worker = backend.worker(MAIN_QUEUE, (job) => Promise.resolve(void done.push(job.data)), {});
  worker.on('error', () => undefined);
  const notices = new RedisNotices(server, silentLog);
  await notices.listen({ heard: (id) => heard.push(id), missed: () => undefined });
  const queue = backend.queue(MAIN_QUEUE);
  const transaction = { afterCommit: (work) => void work() } as Telling;
  return {
    done,
    heard,
    say: async (word: string) => {
      await tellThroughRedis(server, silentLog)(transaction, 'berth_workspace', [word]);
      await queue.add('x', word);
    },
    close: async () => {
      await worker.close();
      await queue.close();
      await notices.close();
      await server.close();
    },
  };
}

it('two Berths share a Redis, and neither sees the other’s jobs and notices', async () => {
  const redis = await TestRedis.start();
  const [one, two] = [await open(redis.url), await open(redis.url)];
  try {
    await one.say('one');
    await two.say('two');
    for (const each of [one, two])
      await eventually('its own is here', () => each.done.length === 1 && each.heard.length === 1);
    expect([one.done, one.heard, two.done, two.heard]).toEqual([['one'], ['one'], ['two'], ['two']]);
  } finally {
    await one.close();
    await two.close();
    await redis.remove();
  }
});
