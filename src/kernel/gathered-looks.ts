import { SharedLooks } from './shared-looks.js';

/** As `SharedLooks`, for those who ask at once for different things of one kind: one look finds all of them, and each is told of its own. Things that are objects are each one's own. */
export class GatheredLooks<T, One = string> {
  readonly #looks = new SharedLooks<ReadonlyMap<One, T>>();
  readonly #asked = new Map<string, Set<One>>();

  /** `look` is handed all that was asked for before it began. Undefined for what it did not find. */
  async take(
    key: string,
    one: One,
    look: (all: One[]) => Promise<ReadonlyMap<One, T>>,
  ): Promise<T | undefined> {
    const asked = this.#asked.get(key) ?? new Set<One>();
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
