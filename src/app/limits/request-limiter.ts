import { RateLimiterMemory } from 'rate-limiter-flexible';

/** What a person's requests outside of an organization may be, and an organization's before its own limit is known. */
export const DEFAULT_PER_SECOND = 200;

const SECOND_MS = 1000;

/** How a caller stands within the second under way. */
export interface Standing {
  limit: number;
  remaining: number;
  /** Milliseconds to the end of the second. */
  resetMs: number;
  exceeded: boolean;
}

/**
 * Counts requests per organization and second, in this process alone: with several processes each counts its own, and the limit is meant for each. What it guards are the
 * other tenants of the same process.
 */
export class RequestLimiter {
  // Each organization has a limit of its own, so the counter itself has none.
  readonly #counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: 1 });
  readonly #limits = new Map<string, number>();

  /** The limit of an organization, from here on; kept only where it is not the usual one. */
  learn(key: string, limit: number): void {
    if (limit === DEFAULT_PER_SECOND) this.#limits.delete(key);
    else this.#limits.set(key, limit);
  }

  /** Counts one request. */
  async count(key: string): Promise<Standing> {
    const { consumedPoints, msBeforeNext } = await this.#counter.penalty(key, 1);
    return this.#standing(key, consumedPoints, msBeforeNext);
  }

  /** How it would stand with one request more, without counting it. */
  async look(key: string): Promise<Standing> {
    const found = await this.#counter.get(key);
    return this.#standing(key, (found?.consumedPoints ?? 0) + 1, found?.msBeforeNext ?? SECOND_MS);
  }

  #standing(key: string, used: number, msBeforeNext: number): Standing {
    const limit = this.#limits.get(key) ?? DEFAULT_PER_SECOND;
    return {
      limit,
      remaining: Math.max(limit - used, 0),
      resetMs: Math.max(msBeforeNext, 0),
      exceeded: used > limit,
    };
  }
}
