import pg from 'pg';
import { messageOf, type Log } from '../kernel/index.js';
import { WORKSPACE_CHANNEL } from './events.store.js';

const RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Tells waiters in this process that something about a workspace changed, whichever process changed it: Postgres' LISTEN on one connection. It carries no
 * facts; who is woken reads the rows. After a lost connection everybody is woken once, since notices sent meanwhile are gone.
 */
export class WorkspaceFeed {
  readonly #waiters = new Map<string, Set<() => void>>();
  #client: pg.Client | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(
    private readonly databaseUrl: string,
    private readonly log: Log,
  ) {}

  async open(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.databaseUrl,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'berth feed',
    });
    client.on('notification', ({ payload }) => this.#wake(payload ?? ''));
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, null));
    this.#client = client;
    try {
      await client.connect();
      await client.query(`listen ${WORKSPACE_CHANNEL}`);
    } catch (error) {
      // Connected but deaf is worse than not connected: nobody would ever ask for another connection.
      client.end().catch(() => undefined);
      throw error;
    }
  }

  /** How many wait, for one workspace or in all; nobody may be left behind by who has gone. */
  waiting(workspaceId?: string): number {
    const sets = workspaceId === undefined ? [...this.#waiters.values()] : [this.#waiters.get(workspaceId)];
    return sets.reduce((sum, set) => sum + (set?.size ?? 0), 0);
  }

  /** Calls `wake` at each change of the workspace until the returned function is called. */
  subscribe(workspaceId: string, wake: () => void): () => void {
    const waiters = this.#waiters.get(workspaceId) ?? new Set();
    this.#waiters.set(workspaceId, waiters);
    waiters.add(wake);
    return () => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(workspaceId) === waiters) this.#waiters.delete(workspaceId);
    };
  }

  /**
   * Asks `look` now and after each change until it answers something or the time is over. Subscribes before it looks, so that a change between the two
   * is not missed.
   */
  async until<T>(
    workspaceId: string,
    waitSeconds: number,
    signal: AbortSignal,
    look: () => Promise<T | null>,
  ): Promise<T | null> {
    // One object, since its fields change between the lines, from timers and notices.
    const waiting = { changed: true, over: signal.aborted, wake: (): void => undefined };
    const stir = (): void => {
      waiting.changed = true;
      waiting.wake();
    };
    const end = (): void => {
      waiting.over = true;
      waiting.wake();
    };
    const isOver = (): boolean => waiting.over || this.#closed;
    const unsubscribe = this.subscribe(workspaceId, stir);
    const timer = setTimeout(end, waitSeconds * 1000);
    signal.addEventListener('abort', end, { once: true });
    try {
      for (;;) {
        if (waiting.changed) {
          waiting.changed = false;
          const found = await look();
          if (found !== null) return found;
        }
        if (isOver()) return null;
        await new Promise<void>((resolve) => {
          waiting.wake = resolve;
          if (waiting.changed) resolve();
        });
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      unsubscribe();
    }
  }

  /** True once it is closing: streams end, so that their readers connect to who comes next. */
  get closed(): boolean {
    return this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = null;
    this.#wakeAll();
    await client?.end();
  }

  #lost(client: pg.Client, error: Error | null): void {
    if (this.#closed || client !== this.#client) return;
    this.#client = null;
    this.log.warn(
      { reason: error ? messageOf(error) : 'ended' },
      'the connection that listens for changes was lost; connecting again',
    );
    client.end().catch(() => undefined);
    this.#reopenLater();
  }

  #reopenLater(): void {
    // A failed connection is told twice, by the promise and by the client's end; one of them is enough.
    if (this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.open().then(
        () => this.#wakeAll(),
        (error: unknown) => {
          this.log.warn({ reason: messageOf(error) }, 'still no connection to listen on');
          this.#client = null;
          if (!this.#closed) this.#reopenLater();
        },
      );
    }, RETRY_MS);
  }

  #wake(workspaceId: string): void {
    for (const wake of this.#waiters.get(workspaceId) ?? []) wake();
  }

  #wakeAll(): void {
    for (const workspaceId of this.#waiters.keys()) this.#wake(workspaceId);
  }
}
