import { AsyncLocalStorage } from 'node:async_hooks';
import { silentMetrics, type Metrics } from '../kernel/index.js';
import type { Prisma, PrismaClient } from './generated/client.js';
import { tellThroughPostgres, type Tell } from './tell.js';
import { Unit, type Tenant } from './unit.js';

const TIMEOUT_MS = 15_000;

/** The transactions of one login, of which one asked for inside another is a part. */
export class Transactions {
  readonly #client: PrismaClient;
  readonly #units = new AsyncLocalStorage<Unit>();

  constructor(
    client: PrismaClient,
    private readonly tell: Tell = tellThroughPostgres,
    private readonly metrics: Metrics = silentMetrics,
  ) {
    this.#client = client;
  }

  /** What the caller is inside of; null outside of any, and in work that goes on after its end. */
  get current(): Unit | null {
    const unit = this.#units.getStore();
    return unit?.isOpen ? unit : null;
  }

  /** Runs `work` as if the caller were inside of none. */
  outside<T>(work: () => Promise<T>): Promise<T> {
    return this.#units.exit(work);
  }

  /** Runs `work` in a transaction of `scope` (an organization, or the instance), which `begin` prepares; or in a part of the one that is under way. */
  async run<T>(
    scope: string,
    work: (tenant: Tenant) => Promise<T>,
    begin: (db: Prisma.TransactionClient) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<T> {
    const { current } = this;
    if (current) return current.part(scope, work);
    let unit: Unit | undefined;
    try {
      const value = await this.#client.$transaction(
        async (db) => {
          await begin(db);
          const begun = (unit = new Unit(scope, db, this.tell, this.metrics));
          // The last acts are inside, too: what they ask for is a part of this transaction, and never a second connection while this one is held.
          return this.#units.run(begun, async () => {
            const value = await work(begun.tenant);
            await begun.runBeforeCommit();
            return value;
          });
        },
        { timeout: TIMEOUT_MS, maxWait: TIMEOUT_MS },
      );
      unit?.over();
      await unit?.runAfterCommit();
      return value;
    } finally {
      unit?.over();
    }
  }
}
