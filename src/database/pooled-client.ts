import { Client, type ClientConfig } from 'pg';

/**
 * A connection of a pool. A pool listens for the end of those that nobody uses; one that was just handed out has no listener before whoever asked for it gets to run, and an error then ended the whole process: Postgres that
 * is killed in that moment says so in the same breath with which it takes the connection. Whoever uses one hears of its end from the next query.
 */
export class PooledClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
