const FIRST_MILLISECONDS = 250;
const LONGEST_MILLISECONDS = 10_000;

/** Growing pauses between tries, with jitter so that the runners of a restarted control plane do not all come back at once. */
export class Backoff {
  #tries = 0;

  /** `random` gives a number in [0, 1). */
  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to wait before the next try: 250 ms doubling up to 10 s, each between half and all of it. */
  next(): number {
    const whole = Math.min(LONGEST_MILLISECONDS, FIRST_MILLISECONDS * 2 ** this.#tries);
    this.#tries += 1;
    return whole / 2 + (whole / 2) * this.random();
  }

  /** A try went well: begin with short pauses again. */
  reset(): void {
    this.#tries = 0;
  }
}
