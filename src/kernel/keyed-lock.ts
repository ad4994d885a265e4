/** Runs work one after the other per key. Work of different keys runs side by side. */
export class KeyedLock {
  private readonly tails = new Map<string, Promise<void>>();

  /** Runs `work` when all earlier work of `key` has ended, whether that went well or not. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    this.tails.set(key, tail);
    void tail.then(() => {
      // Only the last in line may clear the key, or a later caller would run beside one that still waits.
      if (this.tails.get(key) === tail) this.tails.delete(key);
    });
    return result;
  }

  /** The keys with work under way or waiting. */
  keys(): string[] {
    return [...this.tails.keys()];
  }
}
