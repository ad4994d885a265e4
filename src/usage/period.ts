import type { BudgetPeriod } from '../contracts/index.js';

export interface Period {
  from: Date;
  /** When the next one begins; null: never. */
  until: Date | null;
}

/** The period that runs at a time, in UTC. */
export function periodAt(period: BudgetPeriod, at: Date): Period {
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  const utc = (y: number, m: number, d: number): Date => new Date(Date.UTC(y, m, d));
  switch (period) {
    case 'day':
      return { from: utc(year, month, day), until: utc(year, month, day + 1) };
    case 'month':
      return { from: utc(year, month, 1), until: utc(year, month + 1, 1) };
    case 'total':
      return { from: new Date(0), until: null };
  }
}
