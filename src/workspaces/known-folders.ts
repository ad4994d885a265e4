/** So many folders whose rows were there are asked about again per sweep. */
const AGAIN = 2_000;

/**
 * Which folders to ask the rows about. One whose row was never found is asked about each time; the others are asked about again in turns. So a sweep does not ask for a hundred thousand sleeping
 * workspaces each time, and still finds one whose row went without its folder.
 */
export class KnownFolders {
  #there: ReadonlySet<string> = new Set();
  /** Their rows were not found yet. */
  readonly #new = new Set<string>();
  /** In the order in which they are asked about again. */
  readonly #found = new Set<string>();

  constructor(private readonly again = AGAIN) {}

  /** What is there now. The same set as last time says that nothing came or went, and costs nothing. */
  see(there: ReadonlySet<string>): void {
    if (there === this.#there) return;
    this.#there = there;
    for (const ids of [this.#new, this.#found]) for (const id of ids) if (!there.has(id)) ids.delete(id);
    for (const id of there) if (!this.#found.has(id)) this.#new.add(id);
  }

  /** Changes nothing: who asks twice, the dry run and then the sweep, gets the same. */
  toAsk(): string[] {
    return [...this.#new, ...this.#turn()];
  }

  /** The rows of these are there. */
  found(ids: Iterable<string>): void {
    for (const id of ids) if (this.#new.delete(id)) this.#found.add(id);
  }

  /** A sweep was carried out: others have their turn. */
  next(): void {
    for (const id of [...this.#turn()]) {
      this.#found.delete(id);
      this.#found.add(id);
    }
  }

  *#turn(): Generator<string> {
    let left = this.again;
    for (const id of this.#found) {
      if (left-- === 0) return;
      yield id;
    }
  }
}
