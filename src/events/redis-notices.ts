import type { Redis } from 'ioredis';
import type { Tell } from '../database/index.js';
import { messageOf, type Log } from '../kernel/index.js';
import { disconnect, type RedisServer } from '../redis/index.js';
import { WORKSPACE_CHANNEL, type Listener, type Notices } from './notices.js';

/** A connection that nobody answers on any more looks like one on which nothing happens. */
const CHECK_MS = 15_000;

/** Sends after the commit; nobody waits for it, since readers look again by themselves. */
export function tellThroughRedis(redis: RedisServer, log: Log): Tell {
  return (transaction, channel, payloads) => {
    transaction.afterCommit(() => {
      for (const payload of payloads)
        redis.commands.publish(nameOf(redis, channel), payload).catch((error: unknown) => {
          log.debug({ reason: messageOf(error) }, 'a notice could not be sent; who waits looks by itself');
        });
      return Promise.resolve();
    });
    return Promise.resolve();
  };
}

/** Redis' SUBSCRIBE, on one connection. */
export class RedisNotices implements Notices {
  #client: Redis | null = null;
  #check: NodeJS.Timeout | null = null;

  constructor(
    private readonly redis: RedisServer,
    private readonly log: Log,
  ) {}

  async listen(listener: Listener): Promise<void> {
    const client = this.redis.listener();
    const channel = nameOf(this.redis, WORKSPACE_CHANNEL);
    client.on('message', (_, id) => listener.heard(id));
    await client.connect();
    await client.subscribe(channel);
    this.#client = client;
    client.on('ready', () => {
      // What was sent before this was answered is gone.
      client.subscribe(channel).then(() => listener.missed(), this.#giveUp(client));
    });
    this.#check = setInterval(() => void client.ping().catch(this.#giveUp(client)), CHECK_MS);
  }

  async close(): Promise<void> {
    if (this.#check) clearInterval(this.#check);
    if (this.#client) await disconnect(this.#client);
  }

  /** For a connection that is of no use: another one is made. */
  #giveUp(client: Redis): (error: unknown) => void {
    return (error) => {
      this.log.debug({ reason: messageOf(error) }, 'the connection that listens for changes is of no use');
      if (client.status === 'ready') client.disconnect(true);
    };
  }
}

function nameOf(redis: RedisServer, channel: string): string {
  return `${redis.prefix}:${channel}`;
}
