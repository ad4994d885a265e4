import { Redis, type RedisOptions } from 'ioredis';
import { BerthError, messageOf, type Log } from '../kernel/index.js';
import { addressOf, placeOf } from './address.js';
import { disconnect } from './disconnect.js';
import { concernsOf, isTooOld, parseInfo, type RedisSettings } from './durability.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** A request waits no longer for a Redis that is there and does not answer. What it meant to tell is found by a look at the rows. */
const COMMAND_TIMEOUT_MS = 2_000;
/** A connection on which a command waits so long is dead. Longer than the queue's longest blocking call, 10 s. */
const SILENCE_MS = 30_000;
const LONGEST_RETRY_MS = 1_000;

/**
 * The Redis of REDIS_URL: the connections that this process has to it, and what all its keys and channels begin with. Nothing here is ever the only place of
 * anything; all of it may be gone at any time.
 */
export class RedisServer {
  #isOpen = false;
  #isLost = false;
  /** Why the last connection failed: a command only hears that there is none. */
  #failure: Error | null = null;
  readonly #all: Redis[] = [];
  /**
   * For short commands: fails at once while there is no connection, and after two seconds without an answer, since who asks has a person waiting. It is shared by
   * all queues and by who publishes.
   */
  readonly commands: Redis;
  /** For workers, who have time: their commands wait until there is a connection again. Workers make a blocking one of their own of it. */
  readonly patient: Redis;

  constructor(
    private readonly url: string,
    /** Two Berths may share a Redis: the id of the database keeps them apart. */
    private readonly instanceId: string,
    private readonly log: Log,
  ) {
    this.commands = this.#client({
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
    });
    this.patient = this.#client({ maxRetriesPerRequest: null, socketTimeout: SILENCE_MS });
    this.commands.on('close', () => this.#lost());
    this.commands.on('ready', () => this.#back());
  }

  /** What the names of all keys and channels begin with. */
  get prefix(): string {
    return `berth:${this.instanceId}`;
  }

  /** Throws `redis-unavailable`, naming REDIS_URL, when it does not answer or is no use; warns once of settings under which work may be lost. */
  async open(): Promise<void> {
    try {
      await this.commands.connect();
      await this.patient.connect();
      // The client keeps to itself that there is no database of this number, and would go on in another one.
      await this.commands.select(addressOf(this.url).db ?? 0);
    } catch (error) {
      const cause = this.#failure ?? error;
      throw this.#unavailable(messageOf(cause), cause);
    }
    this.#isOpen = true;
    this.#judge(await this.#settings());
  }

  /** A connection to listen on; who listens subscribes at each `ready` and asks on it whether it is alive. */
  listener(): Redis {
    return this.#client({
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      enableOfflineQueue: false,
      commandTimeout: COMMAND_TIMEOUT_MS,
    });
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await Promise.all(this.#all.map(disconnect));
  }

  #client(options: RedisOptions): Redis {
    const client = new Redis({
      ...addressOf(this.url),
      lazyConnect: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Until it was open once, a failure is for who starts Berth; afterwards every loss is made good, and soon.
      retryStrategy: (times) => (this.#isOpen ? Math.min(50 * 2 ** times, LONGEST_RETRY_MS) : null),
      ...options,
    });
    // Told once for all connections, by `commands`; without a listener ioredis prints each error.
    client.on('error', (error) => {
      this.#failure = error;
      this.log.debug({ reason: error.message }, 'a connection to Redis failed');
    });
    this.#all.push(client);
    return client;
  }

  #lost(): void {
    if (!this.#isOpen || this.#isLost) return;
    this.#isLost = true;
    this.log.warn(
      { redis: placeOf(this.url) },
      'the connection to Redis (REDIS_URL) was lost; connecting again. Work waits meanwhile, none is lost',
    );
  }

  #back(): void {
    if (!this.#isLost) return;
    this.#isLost = false;
    this.log.info({ redis: placeOf(this.url) }, 'Redis answers again');
  }

  async #settings(): Promise<RedisSettings> {
    const info = parseInfo(await this.commands.info().catch(() => ''));
    const save = await this.commands.config('GET', 'save').catch(() => null);
    const appendOnly = info.get('aof_enabled');
    return {
      version: info.get('redis_version') ?? null,
      appendOnly: appendOnly === undefined ? null : appendOnly === '1',
      save: Array.isArray(save) && typeof save[1] === 'string' ? save[1] : null,
      evictionPolicy: info.get('maxmemory_policy') ?? null,
    };
  }

  #judge(settings: RedisSettings): void {
    if (isTooOld(settings.version))
      throw this.#unavailable(`it is version ${settings.version}, and Berth needs 6.2 or newer`);
    const concerns = concernsOf(settings);
    if (concerns.length === 0) return;
    this.log.warn(
      { redis: placeOf(this.url) },
      `Redis (REDIS_URL) is set up so that queued work can vanish; the sweep finds it again, but late: ${concerns.join('; ')}`,
    );
  }

  #unavailable(reason: string, cause?: unknown): BerthError {
    return new BerthError(
      'redis-unavailable',
      `Redis cannot be used (REDIS_URL, at ${placeOf(this.url)}): ${reason.replace(/\.$/, '')}. Start it or correct REDIS_URL; without REDIS_URL the queue is kept on Postgres.`,
      { cause },
    );
  }
}
