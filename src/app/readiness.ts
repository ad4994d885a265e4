import { BerthError } from '../kernel/index.js';

/** Whether this process takes work: from the end of its start to the beginning of its stop. */
export class Readiness {
  isOpen = false;
  /** A newer Berth has migrated the database: this one writes no more. */
  isOutdated = false;

  /** Throws `database-newer` once this process may not write any more. */
  requireCurrent(): void {
    if (!this.isOutdated) return;
    throw new BerthError(
      'database-newer',
      'A newer version of Berth has taken over the database. Ask again: the newer one answers; where it does not run yet, start it.',
      { retryAfterSeconds: 5 },
    );
  }
}
