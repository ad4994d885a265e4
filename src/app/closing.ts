import { messageOf, type Log } from '../kernel/index.js';

/** What is to be closed at the end, in the opposite order of opening. One that fails does not keep the others open. Runs once. */
export class Closing {
  readonly #steps: { what: string; close: () => Promise<void> }[] = [];
  #running: Promise<void> | null = null;

  constructor(private readonly log: Log) {}

  add(what: string, close: () => Promise<void>): void {
    this.#steps.push({ what, close });
  }

  run(): Promise<void> {
    this.#running ??= this.#closeAll();
    return this.#running;
  }

  async #closeAll(): Promise<void> {
    for (const { what, close } of this.#steps.reverse()) {
      await close().catch((error: unknown) =>
        this.log.warn({ what, reason: messageOf(error) }, 'could not close in order'),
      );
    }
  }
}
