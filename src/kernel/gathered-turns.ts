import { setImmediate as turn } from 'node:timers/promises';
import { Turnstile } from './turnstile.js';

interface Waiting<One, T> {
  one: One;
  resolve: (value: T | undefined) => void;
  reject: (error: unknown) => void;
}

/** As `Turnstile`, for what can be done for several at once: whose turn it is takes along those who wait behind them, `most` in all. A lone one waits for nobody, and a crowd needs few turns. */
export class GatheredTurns<One, T> {
  readonly #turns: Turnstile;
  readonly #lines = new Map<string, Waiting<One, T>[]>();

  constructor(
    places: number,
    private readonly most: number,
  ) {
    this.#turns = new Turnstile(places);
  }

  /** `work` is that of whose turn it is, and handed all of its turn. Undefined for whom it has no answer; where it fails, it fails for all of its turn, and for nobody else. */
  take(key: string, one: One, work: (all: One[]) => Promise<ReadonlyMap<One, T>>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const line = this.#lines.get(key) ?? [];
      this.#lines.set(key, line);
      line.push({ one, resolve, reject });
      void this.#turns.run(key, () => this.#next(key, work));
    });
  }

  /** How many keys somebody waits for. */
  get size(): number {
    return this.#lines.size;
  }

  async #next(key: string, work: (all: One[]) => Promise<ReadonlyMap<One, T>>): Promise<void> {
    // Somebody before took them along.
    if (!this.#lines.has(key)) return;
    // Not at once: a crowd comes in one turn of the event loop.
    await turn();
    const line = this.#lines.get(key) ?? [];
    const all = line.splice(0, this.most);
    if (line.length === 0) this.#lines.delete(key);
    if (all.length === 0) return;
    try {
      const answers = await work(all.map(({ one }) => one));
      for (const { one, resolve } of all) resolve(answers.get(one));
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }
}
