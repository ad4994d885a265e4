/** Of one write; a longer one would hold its locks for too long. */
const MOST = 100;

interface Waiting<T> {
  item: T;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Writes what comes one by one: together with all else that comes in the same turn of the event loop, or while a write is under way. A lone caller waits no longer, and many need few round trips and
 * commits.
 */
export class Gathering<T> {
  #waiting: Waiting<T>[] = [];
  #isUnderWay = false;

  constructor(private readonly write: (items: T[]) => Promise<unknown>) {}

  /** Comes back when the item is written. Throws when its write failed, or the one that it waited for: a store that is away holds nobody up twice. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isUnderWay) return;
      this.#isUnderWay = true;
      this.#soon();
    });
  }

  /** Not at once: a crowd comes in one turn, and those who were just answered may have more. */
  #soon(): void {
    setImmediate(() => void this.#next());
  }

  async #next(): Promise<void> {
    const batch = this.#waiting.splice(0, MOST);
    this.#isUnderWay = batch.length > 0;
    if (!this.#isUnderWay) return;
    try {
      await this.write(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
    }
    this.#soon();
  }
}
