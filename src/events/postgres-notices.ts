import pg from 'pg';
import { messageOf, type Log } from '../kernel/index.js';
import { WORKSPACE_CHANNEL, type Listener, type Notices } from './notices.js';

const RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Postgres' LISTEN, on one connection. */
export class PostgresNotices implements Notices {
  #listener: Listener | null = null;
  #client: pg.Client | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(
    private readonly databaseUrl: string,
    private readonly log: Log,
  ) {}

  async listen(listener: Listener): Promise<void> {
    this.#listener = listener;
    await this.#open();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  async #open(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.databaseUrl,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'berth feed',
    });
    client.on('notification', ({ payload }) => this.#listener?.heard(payload ?? ''));
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
      this.#open().then(
        () => this.#listener?.missed(),
        (error: unknown) => {
          this.log.warn({ reason: messageOf(error) }, 'still no connection to listen on');
          this.#client = null;
          if (!this.#closed) this.#reopenLater();
        },
      );
    }, RETRY_MS);
  }
}
