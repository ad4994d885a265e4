/** So many folders whose rows were there are asked about again per sweep. */
const AGAIN = 2_000;

/**
 * Which folders to ask the rows about. One that was never asked about is asked about at once; those whose rows were found are asked about again in turns, the longest not asked first.
 * So a sweep does not ask for a hundred thousand sleeping workspaces each time, and still finds one whose row went without its folder.
 */
export class KnownFolders {
  /** In the order in which they were last found. */
  readonly #found = new Set<string>();

  constructor(private readonly again = AGAIN) {}

  /** Changes nothing: who asks twice gets the same. */
  toAsk(there: ReadonlySet<string>): string[] {
    const asked = [...there].filter((id) => !this.#found.has(id));
    let left = this.again;
    for (const id of this.#found) {
      if (left === 0) break;
      left--;
      if (there.has(id)) asked.push(id);
    }
    return asked;
  }

  /** These were asked about, and their rows are there. */
  found(ids: readonly string[]): void {
    for (const id of ids) {
      this.#found.delete(id);
      this.#found.add(id);
    }
  }

  /** Forgets what is not there any more. */
  keepOnly(there: ReadonlySet<string>): void {
    for (const id of this.#found) if (!there.has(id)) this.#found.delete(id);
  }
}
