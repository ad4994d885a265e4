/** What all benches share: their shape, and the rows they give. */

/** One line of the table. */
export interface Row {
  /** What was measured, for people. */
  what: string;
  unit: 'ms' | 'µs' | 'MB';
  /** Median of the samples, or the one value there is. */
  measured: number;
  /** Of the samples: how many, and the value that 95 % of them do not exceed. Null for a single reading. */
  spread: { samples: number; p95: number } | null;
  /** The same machine's own speed or size in the same run; the ratio to it is what can be compared between machines. */
  yardstick: { what: string; value: number } | null;
  /** What the project wants, in `unit`: at most this. Null when nothing was promised. */
  aim: number | null;
}

/** What a bench is given. */
export interface BenchContext {
  /**
   * Says on standard error how far it is, so that standard output holds the result alone. Call it in each round: it throws once the run is interrupted, and so
   * ends the bench.
   */
  say(text: string): void;
  /** Adds a step of tidying up. They run in reverse order when the bench ends, in whatever way, and when the run is interrupted. */
  defer(tidy: () => unknown): void;
}

/** A program that measures one thing. It asserts nothing about speed; it throws when what it measures does not work. */
export interface Bench {
  /** How it is called on the command line. */
  name: string;
  /** It takes long, and runs only when it is named. */
  byName?: true;
  run(context: BenchContext): Promise<Row[]>;
}
