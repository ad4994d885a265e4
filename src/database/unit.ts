import { BerthError, type Metrics } from '../kernel/index.js';
import type { Prisma } from './generated/client.js';
import type { Tell } from './tell.js';

/** A transaction under way, of either login. Only stores use it. */
export type Transaction = Prisma.TransactionClient;

/**
 * A transaction inside one organization. Every store call takes one, so that no query can be written without saying whose rows it means; row-level
 * security, set to the same organization, is the second guard (rule 5).
 */
export interface Tenant {
  readonly organizationId: string;
  readonly db: Transaction;
  /**
   * Does `work` once what was written is committed, and never if it is not: for what others must not see before it is true, such as waking a worker. A crash right after
   * the commit loses it, so it may only ever hasten what a sweep would find. It must not throw: what was asked for is written already.
   */
  afterCommit(work: () => Promise<void>): void;
  /** Tells all processes each of these, once what was written is committed, and never if it is not. They may be lost. */
  tell(channel: string, ...payloads: string[]): Promise<void>;
  /** Counts what was written, once it is committed: what was rolled back did not happen. */
  readonly metrics: Pick<Metrics, 'count' | 'observe'>;
  /**
   * Does `work` inside the transaction, as its last act: for what takes a lock that everybody wants (the end of an audit chain), so that it is held for the
   * shortest time and never while waiting for another. What it throws undoes all.
   */
  beforeCommit(work: () => Promise<void>): void;
}

/** One transaction under way. Whoever asks for the same organization's (or the instance's) transaction inside of it gets a part of this one: all of it is committed, or nothing. */
export class Unit {
  readonly tenant: Tenant;
  readonly #before: (() => Promise<void>)[] = [];
  readonly #after: (() => Promise<void>)[] = [];
  readonly #savepoints: string[] = [];
  #made = 0;
  #isOver = false;

  constructor(organizationId: string, db: Transaction, tell: Tell, metrics: Metrics) {
    const afterCommit = (work: () => Promise<void>): void => void this.#after.push(work);
    this.tenant = {
      organizationId,
      db,
      beforeCommit: (work) => void this.#before.push(work),
      afterCommit,
      tell: (channel, ...payloads) => tell(this.tenant, channel, payloads),
      metrics: committed(metrics, afterCommit),
    };
  }

  /** False once it was committed or rolled back: what was started in it and still goes on needs a transaction of its own. */
  get isOpen(): boolean {
    return !this.#isOver;
  }

  /**
   * A part that fails is undone alone, as if it had been a transaction of its own: its caller may go on another way (a unique value that was taken), and an aborted
   * transaction could not. Parts nest; two side by side cannot be told apart by Postgres, and are refused.
   */
  async part<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    if (organizationId !== this.tenant.organizationId)
      throw new BerthError(
        'internal',
        'A transaction of one organization was asked for inside that of another.',
      );
    const { db } = this.tenant;
    const name = `part_${++this.#made}`;
    const [before, after] = [this.#before.length, this.#after.length];
    await db.$executeRawUnsafe(`SAVEPOINT ${name}`);
    this.#savepoints.push(name);
    try {
      const value = await work(this.tenant);
      this.#end(name);
      await db.$executeRawUnsafe(`RELEASE SAVEPOINT ${name}`);
      return value;
    } catch (error) {
      this.#end(name);
      this.#before.length = before;
      this.#after.length = after;
      await db.$executeRawUnsafe(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }

  /** The transaction has ended, one way or the other. */
  over(): void {
    this.#isOver = true;
  }

  async runBeforeCommit(): Promise<void> {
    for (const work of this.#before) await work();
  }

  async runAfterCommit(): Promise<void> {
    for (const work of this.#after) await work();
  }

  #end(name: string): void {
    const last = this.#savepoints.at(-1);
    if (last !== name)
      throw new BerthError(
        'internal',
        'Two parts of one transaction ran side by side; run them one after the other.',
      );
    this.#savepoints.pop();
  }
}

function committed(metrics: Metrics, afterCommit: Tenant['afterCommit']): Tenant['metrics'] {
  const later = (work: () => void): void =>
    afterCommit(() => {
      work();
      return Promise.resolve();
    });
  return {
    count: (...counted) => later(() => metrics.count(...counted)),
    observe: (...observed) => later(() => metrics.observe(...observed)),
  };
}
