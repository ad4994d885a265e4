import { once } from 'node:events';
import type { Redis } from 'ioredis';

/**
 * Ends a connection and comes back when its socket is closed, after two seconds at most, also of a server that answers nothing. Of a connection that was lost before,
 * ioredis keeps a timer for those two seconds: a process that ends meanwhile by itself (Jest says that it does not exit) ends that much later.
 */
export async function disconnect(client: Redis): Promise<void> {
  const isOpen = ['connecting', 'connect', 'ready'].includes(client.status);
  const ended = isOpen ? once(client, 'end') : Promise.resolve();
  client.disconnect();
  await ended;
}
