interface Gate {
  inside: number;
  waiting: (() => void)[];
}

/** Lets so many of each key in at a time; the rest wait, first come first in. One who brings many waits for their own, and for nobody else's. */
export class Turnstile {
  readonly #gates = new Map<string, Gate>();

  constructor(private readonly places: number) {}

  /** Does this once there is a place. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const leave = await this.enter(key);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Answers, once there is a place, what gives it back. To be called once. */
  async enter(key: string): Promise<() => void> {
    const gate = this.#gates.get(key) ?? { inside: 0, waiting: [] };
    this.#gates.set(key, gate);
    // Whoever leaves hands the place on, so that nobody slips in between.
    if (gate.inside < this.places) gate.inside += 1;
    else await new Promise<void>((resolve) => gate.waiting.push(resolve));
    return () => this.#leave(key, gate);
  }

  #leave(key: string, gate: Gate): void {
    const next = gate.waiting.shift();
    if (next) {
      next();
      return;
    }
    gate.inside -= 1;
    if (gate.inside === 0) this.#gates.delete(key);
  }
}
