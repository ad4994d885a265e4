import { once } from 'node:events';
import type { Redis } from 'ioredis';

/** Ends a connection and comes back when its socket is closed, after two seconds at most, also of a server that answers nothing. */
export async function disconnect(client: Redis): Promise<void> {
  const isOpen = ['connecting', 'connect', 'ready'].includes(client.status);
  const ended = isOpen ? once(client, 'end') : Promise.resolve();
  client.disconnect();
  await ended;
}
