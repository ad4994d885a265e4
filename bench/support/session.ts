import { messageOf } from '../../src/kernel/index.js';
import type { Bench, BenchContext, Row } from '../bench.js';

/** Runs one bench after another and tidies up behind each, also when the run is interrupted. */
export class Session {
  readonly #steps: (() => unknown)[] = [];
  #tidying: Promise<void> = Promise.resolve();
  #interrupted = false;

  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** The rows of one bench. Rejects with what went wrong; everything it started is gone then, too. */
  async run(bench: Bench): Promise<Row[]> {
    const context: BenchContext = {
      say: (text) => {
        this.#assertGoingOn();
        process.stderr.write(`${bench.name}: ${text}\n`);
      },
      defer: (tidy) => {
        this.#steps.push(tidy);
        // What was being started when the interruption came is there only now.
        if (this.#interrupted) void this.#tidy();
      },
    };
    try {
      this.#assertGoingOn();
      return await bench.run(context);
    } finally {
      await this.#tidy();
    }
  }

  /** Takes away at once what the bench has started. The bench then fails by itself, and no other begins. */
  interrupt(): void {
    this.#interrupted = true;
    void this.#tidy();
  }

  #assertGoingOn(): void {
    if (this.#interrupted) throw new Error('it was interrupted');
  }

  /** One tidying after another: who waits for theirs has waited for those before. */
  #tidy(): Promise<void> {
    this.#tidying = this.#tidying.then(() => this.#runSteps());
    return this.#tidying;
  }

  /** Runs the steps that are left, the last one first. One that fails does not keep the others from their turn. */
  async #runSteps(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        process.stderr.write(`tidying up: ${messageOf(error)}\n`);
      }
    }
  }
}
