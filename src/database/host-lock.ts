import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { BerthError, messageOf, type Log } from '../kernel/index.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** A connection over which nothing comes back any more is no hold on anything. */
const QUERY_TIMEOUT_MS = 10_000;
const POLL_MS = 100;
/** How long the server may take to notice that whoever held it before was killed. */
const TAKE_MS = 5_000;
const REGAIN_PAUSE_MS = 500;
/** A restart of the server takes seconds. Who is cut off for longer cannot know whether another has the directory by now. */
const REGAIN_MS = 60_000;
const MAX_BEAT_SECONDS = 5;

/** A host as its worker makes it known. */
export interface Host {
  id: string;
  name: string;
  version: string;
}

export interface HostLockOptions {
  url: string;
  host: Host;
  /** Named in the refusal. */
  dataDirectory: string;
  /** Others take the host for lost when it was not seen for so long. */
  lostAfterSeconds: number;
  log: Log;
  /** Called once when the lock is lost for good: this process must end at once, and must not touch what another may hold by now. */
  onLost: () => void;
}

/**
 * Holds a host for one worker, by a lock of Postgres that ends with its connection, so that no stale one can stay behind: also where two machines have copies of one data
 * directory. The same connection says that the host lives: nobody says so who does not hold it.
 */
export class HostLock {
  /** Tells this process's own connections from all others, also after they broke. */
  readonly #name = `berth host ${randomBytes(8).toString('hex')}`;
  #client: Client | null = null;
  #beat: NodeJS.Timeout | null = null;
  #isClosed = false;
  #isSilent = false;

  private constructor(private readonly options: HostLockOptions) {}

  /** Throws `data-directory-in-use` when another worker holds the host. */
  static async take(options: HostLockOptions): Promise<HostLock> {
    const lock = new HostLock(options);
    const client = await lock.#connect();
    const until = performance.now() + TAKE_MS;
    while (!(await lock.#tryLock(client))) {
      if (performance.now() < until) {
        await delay(POLL_MS);
        continue;
      }
      const error = await lock.#inUse(client);
      await client.end();
      throw error;
    }
    await lock.#register(client);
    lock.#hold(client);
    const seconds = Math.min(MAX_BEAT_SECONDS, options.lostAfterSeconds / 4);
    lock.#beat = setInterval(() => void lock.#seen(), seconds * 1000);
    return lock;
  }

  /** Says no more that the host lives, and still holds it: for a worker that may not write any more. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Lets go of the host, last of all that works on it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#beat) clearInterval(this.#beat);
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  async #connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.options.url,
      application_name: this.#name,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    });
    // Without a listener a server that goes away would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      // A machine that went away without a word holds the lock until the server notices: here after 25 s, by default after two hours.
      await client.query(
        `select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
                set_config('tcp_keepalives_count', '3', false)`,
      );
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  async #tryLock(client: Client): Promise<boolean> {
    const { rows } = await client.query<{ locked: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as locked',
      [this.#key],
    );
    return rows[0]?.locked === true;
  }

  get #key(): string {
    return `berth host ${this.options.host.id}`;
  }

  /** The connection that holds the lock, if it is not given up meanwhile. */
  async #holder(client: Client): Promise<{ pid: number; name: string } | null> {
    const { rows } = await client.query<{ pid: number; name: string }>(
      `select a.pid, a.application_name as name
         from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
          and l.database = (select oid from pg_database where datname = current_database())
          and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended($1, 0)`,
      [this.#key],
    );
    return rows[0] ?? null;
  }

  async #register(client: Client): Promise<void> {
    const { id, name, version } = this.options.host;
    await client.query(
      `insert into host (id, name, version, started_at, seen_at) values ($1, $2, $3, clock_timestamp(), clock_timestamp())
       on conflict (id) do update set name = $2, version = $3, started_at = excluded.started_at, seen_at = excluded.seen_at`,
      [id, name, version],
    );
  }

  #hold(client: Client): void {
    this.#client = client;
    client.once('end', () => this.#broken(client, 'ended'));
    client.once('error', (error) => this.#broken(client, messageOf(error)));
  }

  async #seen(): Promise<void> {
    const client = this.#client;
    if (!client || this.#isSilent) return;
    try {
      await client.query('update host set seen_at = clock_timestamp() where id = $1', [this.options.host.id]);
    } catch (error) {
      this.#broken(client, messageOf(error));
    }
  }

  #broken(client: Client, reason: string): void {
    if (this.#isClosed || client !== this.#client) return;
    this.#client = null;
    client.end().catch(() => undefined);
    this.options.log.warn(
      { reason },
      'the connection that holds the data directory was lost; taking it again',
    );
    void this.#regain();
  }

  async #regain(): Promise<void> {
    const until = performance.now() + REGAIN_MS;
    while (!this.#isClosed && performance.now() < until) {
      const outcome = await this.#retake().catch((error: unknown) => {
        this.options.log.warn({ reason: messageOf(error) }, 'the data directory is not held again yet');
        return 'not yet' as const;
      });
      if (outcome === 'held') return;
      if (outcome === 'taken by another') break;
      await delay(REGAIN_PAUSE_MS);
    }
    if (this.#isClosed) return;
    this.options.log.error({}, 'this worker does not hold its data directory any more, and ends');
    this.options.onLost();
  }

  async #retake(): Promise<'held' | 'not yet' | 'taken by another'> {
    const client = await this.#connect();
    try {
      if (await this.#tryLock(client)) {
        await this.#register(client);
        this.#hold(client);
        if (this.#isClosed) await this.close();
        return 'held';
      }
      const holder = await this.#holder(client);
      if (holder && holder.name !== this.#name) {
        await client.end();
        return 'taken by another';
      }
      // Our own, of a connection whose end the server has not noticed.
      if (holder) await client.query('select pg_terminate_backend($1)', [holder.pid]);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    await client.end();
    return 'not yet';
  }

  async #inUse(client: Client): Promise<BerthError> {
    const { rows } = await client.query<{ name: string; since: Date }>(
      'select name, started_at as since from host where id = $1',
      [this.options.host.id],
    );
    const by = rows[0] ? `, on ${rows[0].name} since ${rows[0].since.toISOString()}` : '';
    return new BerthError(
      'data-directory-in-use',
      `The data directory ${this.options.dataDirectory}, or a copy of it, is in use by another worker${by}. Stop that one, or set BERTH_DATA_DIR to a directory of this one's own. ` +
        '(A copied directory becomes one of its own when the file host-id in it is removed, and with it the folder workspaces.)',
    );
  }
}
