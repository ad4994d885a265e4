import { Queue, Worker } from 'bullmq';
import type { RedisServer } from '../redis/index.js';
import type { QueueBackend } from './backend.js';

/** The queues on Redis. Its connections are opened and closed by who opened the server; a worker adds a blocking one of its own. */
export function redisBackend(redis: RedisServer): QueueBackend {
  // The server was judged when it was opened; BullMQ would ask for each connection again, and print to the console.
  const shared = { prefix: redis.prefix, skipVersionCheck: true };
  return {
    store: 'Redis',
    // One connection has many commands under way, and a pipeline of BullMQ's scripts takes longer to make than it saves.
    gathers: false,
    queue: (name) => new Queue(name, { ...shared, connection: redis.commands }),
    worker: (name, processor, options) =>
      new Worker(name, processor, { ...options, ...shared, connection: redis.patient }),
    close: () => Promise.resolve(),
  };
}
