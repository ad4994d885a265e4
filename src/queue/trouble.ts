import type { Log } from '../kernel/index.js';

const QUIET_MS = 30_000;

/** Says what goes wrong, and the same thing once in half a minute only: a store that is away is complained about by everybody who asks, many times a second. */
export class Trouble {
  readonly #said = new Map<string, number>();

  constructor(
    private readonly log: Log,
    private readonly message: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  tell(reason: string): void {
    const now = this.now();
    for (const [said, at] of this.#said) if (now - at >= QUIET_MS) this.#said.delete(said);
    if (this.#said.has(reason)) return;
    this.#said.set(reason, now);
    this.log.warn({ reason }, this.message);
  }
}
