import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { BerthError } from '../kernel/index.js';

const WINDOW_SECONDS = 15 * 60;

/** Counts tries at something that could be guessed, per key, within a quarter of an hour. In this process alone: what is guarded cannot be guessed in any number of tries that matters. */
export class Attempts {
  readonly #limiter: RateLimiterMemory;

  constructor(
    points: number,
    keyPrefix: string,
    /** What is tried, as in "Too many attempts to sign in". */
    private readonly what: string,
  ) {
    this.#limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS, keyPrefix });
  }

  /** Counts a try, before it is known whether it is right: a hundred at once must not all pass the count. Throws `too-many-requests`. */
  async count(key: string): Promise<void> {
    try {
      await this.#limiter.consume(key);
    } catch (refusal) {
      const retryAfterSeconds = Math.ceil((refusal as RateLimiterRes).msBeforeNext / 1000);
      throw new BerthError(
        'too-many-requests',
        `Too many attempts to ${this.what}. Try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
        { retryAfterSeconds },
      );
    }
  }

  /** The last try was right: it does not count. */
  async takeBack(key: string): Promise<void> {
    await this.#limiter.reward(key);
  }

  /** Forgets all tries of a key. */
  async forget(key: string): Promise<void> {
    await this.#limiter.delete(key);
  }
}
