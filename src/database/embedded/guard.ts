import { Client } from 'pg';
import { BerthError, type Secret } from '../../kernel/index.js';
import { identityState, isAlive, poll } from './processes.js';

/** Two-key advisory lock in the database `postgres` of the cluster: who holds it is the Berth of the data directory. */
const LOCK = [0x62657274, 1] as const;
const NAME_PREFIX = 'berth pid=';
const CONNECT_TIMEOUT_MS = 5_000;
/** How long a Berth that started a server may take to lock it, and a dead one's connection to be noticed. */
const SETTLE_TIMEOUT_MS = 20_000;
const POLL_MS = 100;

/** Configuration parameter on the server's command line that names the Berth process which started it. */
export const STARTED_BY = 'berth.started_by';

/** The URL of the cluster's superuser, database `postgres`. */
export function superuserUrl(port: number, password: Secret): string {
  return `postgresql://postgres:${password.reveal()}@127.0.0.1:${port}/postgres`;
}

/**
 * A connection that holds, or asks for, the lock of the data directory. The lock ends with the connection and the kernel ends the
 * connection with the process: no stale lock can stay behind.
 */
export class Guard {
  private constructor(private readonly client: Client) {}

  /** Connects as superuser. Throws the driver's error while the server is not ready. */
  static async connect(url: string): Promise<Guard> {
    const client = new Client({
      connectionString: url,
      application_name: `${NAME_PREFIX}${process.pid}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    // Without a listener a server that goes away would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return new Guard(client);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Calls back once when the connection is over, whoever ended it. */
  onClose(listener: () => void): void {
    this.client.once('end', listener);
  }

  /** Takes the lock if nobody has it. */
  async tryLock(): Promise<boolean> {
    const { rows } = await this.client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1, $2) AS locked',
      [...LOCK],
    );
    return rows[0]?.locked === true;
  }

  /** Process number of the Berth that holds the lock; null when nobody does, or is not known yet. */
  async holder(): Promise<number | null> {
    const { rows } = await this.client.query<{ application_name: string }>(
      `SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [...LOCK],
    );
    const name = rows[0]?.application_name;
    // The two views are not of one moment: a connection that came up in between has its lock, and no name yet.
    return name?.startsWith(NAME_PREFIX) ? Number(name.slice(NAME_PREFIX.length)) : null;
  }

  /** The Berth process that started the server, as `processIdentity` names it; '' when something else did. */
  async startedBy(): Promise<string> {
    const { rows } = await this.client.query<{ by: string | null }>(
      'SELECT current_setting($1, true) AS by',
      [STARTED_BY],
    );
    return rows[0]?.by ?? '';
  }

  async query(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.client.query<Record<string, unknown>>(sql)).rows;
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

/**
 * Takes the lock of the server that this process started itself. Another Berth may hold it for a moment while it dies or looks.
 * Throws `data-directory-in-use` when a living one keeps it.
 */
export async function lockOwnServer(guard: Guard, directory: string): Promise<void> {
  const locked = await poll(async () => ((await guard.tryLock()) ? true : undefined), {
    timeoutMs: SETTLE_TIMEOUT_MS,
    intervalMs: POLL_MS,
  });
  if (locked !== true) throw inUse(directory, (await guard.holder()) ?? 0);
}

/**
 * Takes the lock of a server that was found running. Throws `data-directory-in-use` when a living Berth has it or started it;
 * returns when the server turned out to be the orphan of a Berth that is gone.
 */
export async function lockOrphan(guard: Guard, directory: string): Promise<void> {
  const settled = await poll(() => claim(guard, directory), {
    timeoutMs: SETTLE_TIMEOUT_MS,
    intervalMs: POLL_MS,
  });
  if (settled === 'locked') return;
  const starter = await guard.startedBy();
  if (identityState(starter) === 'alive') throw inUse(directory, Number.parseInt(starter, 10));
  // Only the number of the starter runs, and it did not lock in time: somebody else got the number.
  if (!(await guard.tryLock())) throw inUse(directory, (await guard.holder()) ?? 0);
}

async function claim(guard: Guard, directory: string): Promise<'locked' | undefined> {
  const holder = await guard.holder();
  if (holder !== null) {
    if (isAlive(holder)) throw inUse(directory, holder);
    return undefined; // Its process is gone, the server is about to notice.
  }
  // A living starter is about to lock its server, or to lock it again: do not snatch it in between.
  if (identityState(await guard.startedBy()) !== 'gone') return undefined;
  return (await guard.tryLock()) ? 'locked' : undefined;
}

function inUse(directory: string, pid: number): BerthError {
  return new BerthError(
    'data-directory-in-use',
    `Another Berth (process ${pid}) uses the data directory of ${directory}. Stop that one first, or give this one another BERTH_DATA_DIR.`,
  );
}
