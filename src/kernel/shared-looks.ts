/**
 * Answers many who ask the same at once with one look, which begins after the last of them has asked: nobody is told what was so before they came. While a look is under way, those who come share
 * the next one. So a crowd costs two looks, however large it is, and nothing is remembered.
 */
export class SharedLooks<T> {
  readonly #under = new Map<string, Promise<unknown>>();
  readonly #next = new Map<string, Promise<T>>();

  /** A look that fails fails for all who share it, and for nobody else. */
  take(key: string, look: () => Promise<T>): Promise<T> {
    const known = this.#next.get(key);
    if (known) return known;
    const before = this.#under.get(key) ?? Promise.resolve();
    const next = before.then(() => {
      this.#next.delete(key);
      const under = look();
      const over = under.then(
        () => undefined,
        () => undefined,
      );
      this.#under.set(key, over);
      void over.then(() => {
        if (this.#under.get(key) === over) this.#under.delete(key);
      });
      return under;
    });
    this.#next.set(key, next);
    return next;
  }

  /** How many keys somebody looks at, or waits to. */
  get size(): number {
    return new Set([...this.#under.keys(), ...this.#next.keys()]).size;
  }
}
