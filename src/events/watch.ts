/** For who reads on and on: remembers, from its making to its end, whether there may be something new. */
export class Watch {
  /** What was there before the watch was not looked at either. */
  #mayBeNew = true;
  #resume: () => void = () => undefined;
  #leave: (() => void)[] = [];

  constructor(private readonly gone: AbortSignal) {
    gone.addEventListener('abort', this.#go);
  }

  /** Something may have changed. */
  readonly stir = (): void => {
    this.#mayBeNew = true;
    this.#go();
  };

  /** What `end` has to undo. */
  whenEnded(...leave: (() => void)[]): void {
    this.#leave.push(...leave);
  }

  /** Comes back when something may have changed since it last did, or when the reader is gone. To be called before each look, so that no change falls between two. */
  async changed(): Promise<void> {
    if (!this.#mayBeNew && !this.gone.aborted)
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    this.#mayBeNew = false;
  }

  end(): void {
    this.gone.removeEventListener('abort', this.#go);
    for (const leave of this.#leave.splice(0)) leave();
  }

  readonly #go = (): void => this.#resume();
}
