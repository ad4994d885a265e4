import { setTimeout as delay } from 'node:timers/promises';

/** Decides when the next piece of a slow answer may go out. */
export interface Pace {
  /** Resolves when the piece may be sent; rejects when `signal` aborts (the client has gone). */
  next(signal: AbortSignal): Promise<void>;
}

/** A gate that opens by command: each `release()` lets one waiting piece through, so that tests need no sleeping. */
export class Gate implements Pace {
  #permits = 0;
  #waiting: (() => void)[] = [];

  /** How many answers stand at the gate now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets `count` pieces pass, those that already wait first. */
  release(count = 1): void {
    this.#permits += count;
    while (this.#permits > 0 && this.#waiting.length > 0) {
      this.#permits -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Takes back what was released and not used. */
  clear(): void {
    this.#permits = 0;
  }

  next(signal: AbortSignal): Promise<void> {
    if (this.#permits > 0) {
      this.#permits -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const gone = (): void => {
        // A client that left must not eat a later release.
        this.#waiting = this.#waiting.filter((waiter) => waiter !== pass);
        reject(new Error('the client has gone'));
      };
      const pass = (): void => {
        signal.removeEventListener('abort', gone);
        resolve();
      };
      if (signal.aborted) gone();
      else {
        signal.addEventListener('abort', gone, { once: true });
        this.#waiting.push(pass);
      }
    });
  }
}

/** The gate, or a fixed distance between pieces when one is given (for people who watch, not for tests). */
export function paceOf(gate: Gate, delayMilliseconds: number | undefined): Pace {
  if (delayMilliseconds === undefined) return gate;
  return { next: (signal) => delay(delayMilliseconds, undefined, { signal }) };
}
