/** Stirs all who joined under one key together, every so many seconds; other keys have other moments, so that not everybody stirs at once. */
export class Rhythms {
  readonly #rhythms = new Map<string, { stirs: Set<() => void>; timer: NodeJS.Timeout }>();

  constructor(private readonly seconds: number) {}

  /** Calls `stir` again and again until the returned function is called. */
  join(key: string, stir: () => void): () => void {
    const { stirs, timer } = this.#rhythms.get(key) ?? this.#begin(key);
    stirs.add(stir);
    return () => {
      stirs.delete(stir);
      if (stirs.size > 0 || this.#rhythms.get(key)?.stirs !== stirs) return;
      clearInterval(timer);
      this.#rhythms.delete(key);
    };
  }

  /** How many keys somebody joined under. */
  get size(): number {
    return this.#rhythms.size;
  }

  #begin(key: string): { stirs: Set<() => void>; timer: NodeJS.Timeout } {
    const stirs = new Set<() => void>();
    const timer = setInterval(() => {
      for (const stir of stirs) stir();
    }, this.seconds * 1000);
    const rhythm = { stirs, timer };
    this.#rhythms.set(key, rhythm);
    return rhythm;
  }
}
