import type { Prisma } from './generated/client.js';

/** What of a transaction it takes to tell something with it. */
export interface Telling {
  readonly db: Prisma.TransactionClient;
  afterCommit(work: () => Promise<void>): void;
}

/**
 * Tells all processes that something changed, once the transaction is committed, and never when it is not. What is told carries an id and no facts, and may be lost: who
 * waits for it looks at the rows, and looks again by itself.
 */
export type Tell = (transaction: Telling, channel: string, payloads: string[]) => Promise<void>;

/** Postgres keeps it back until the commit by itself. */
export const tellThroughPostgres: Tell = async ({ db }, channel, payloads) => {
  await db.$executeRaw`select pg_notify(${channel}, payload) from unnest(${payloads}::text[]) as payload`;
};
