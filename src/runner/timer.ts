/** Monotonic time and timeouts, as an argument so that tests decide when something is due. */
export interface Timer {
  /** Milliseconds on a clock that never jumps; only differences mean something. */
  now(): number;
  /** Calls `due` once after so many milliseconds. The answer cancels it. */
  after(milliseconds: number, due: () => void): () => void;
}

export const systemTimer: Timer = {
  now: () => performance.now(),
  after: (milliseconds, due) => {
    const handle = setTimeout(due, milliseconds);
    return () => clearTimeout(handle);
  },
};

/** Resolves after so many milliseconds, or at once when the signal aborts. Never rejects. */
export function pause(timer: Timer, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = timer.after(milliseconds, end);
    signal?.addEventListener('abort', end);
  });
}

/** A timer that stands still until a test moves it. */
export class FakeTimer implements Timer {
  #now = 0;
  #due = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, due: () => void): () => void {
    const entry = (): void => due();
    this.#due.set(entry, this.#now + milliseconds);
    return () => this.#due.delete(entry);
  }

  /** Moves on, calling what falls due in order of time. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#due].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])[0];
      if (next === undefined) break;
      this.#due.delete(next[0]);
      this.#now = next[1];
      next[0]();
    }
    this.#now = end;
  }
}
