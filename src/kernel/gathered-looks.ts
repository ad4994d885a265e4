import { SharedLooks } from './shared-looks.js';

/** As `SharedLooks`, for those who ask at once for different things of one kind: one look finds all of them, and each is told of its own. */
export class GatheredLooks<T> {
  readonly #looks = new SharedLooks<ReadonlyMap<string, T>>();
  readonly #asked = new Map<string, Set<string>>();

  /** `look` is handed all that was asked for before it began. Undefined for what it did not find. */
  async take(
    key: string,
    one: string,
    look: (all: string[]) => Promise<ReadonlyMap<string, T>>,
  ): Promise<T | undefined> {
    const asked = this.#asked.get(key) ?? new Set();
    this.#asked.set(key, asked.add(one));
    const found = await this.#looks.take(key, () => {
      // Whoever asks from now on is of the next look.
      this.#asked.delete(key);
      return look([...asked]);
    });
    return found.get(one);
  }

  /** How many keys somebody looks at, or waits to. */
  get size(): number {
    return this.#looks.size;
  }
}
