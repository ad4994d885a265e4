import { silentMetrics, type Metrics } from '../kernel/index.js';
import type { Notices } from './notices.js';
import { Rhythms } from './rhythms.js';
import { Watch } from './watch.js';

/** Notices can be lost. Nobody who waits is wrong for longer than this. */
const LOOK_AGAIN_SECONDS = 15;

/**
 * Tells waiters in this process that something about a workspace (or another topic: notices.ts) changed, whichever process changed it. It carries no facts; who is woken reads the rows. After notices
 * may have been lost everybody is woken once.
 */
export class WorkspaceFeed {
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #listeners: ((topic: string) => void)[] = [];
  readonly #rhythms: Rhythms;
  #closed = false;

  constructor(
    private readonly notices: Notices,
    private readonly lookAgainSeconds = LOOK_AGAIN_SECONDS,
    private readonly metrics: Metrics = silentMetrics,
  ) {
    this.#rhythms = new Rhythms(lookAgainSeconds);
  }

  async open(): Promise<void> {
    await this.notices.listen({
      heard: (topic) => {
        this.#wake(topic);
        for (const listener of this.#listeners) listener(topic);
      },
      missed: () => {
        this.metrics.count('berth_listener_reconnects_total', {});
        this.#wakeAll();
      },
    });
  }

  /** Calls `listener` with every topic that is told of, as long as the feed lives. Lost notices are lost to it. */
  onEvery(listener: (topic: string) => void): void {
    this.#listeners.push(listener);
  }

  /** How many wait, for one topic or in all; nobody may be left behind by who has gone. */
  waiting(topic?: string): number {
    const sets = topic === undefined ? [...this.#waiters.values()] : [this.#waiters.get(topic)];
    return sets.reduce((sum, set) => sum + (set?.size ?? 0), 0);
  }

  /** Calls `wake` at each change of the topic until the returned function is called. */
  subscribe(topic: string, wake: () => void): () => void {
    const waiters = this.#waiters.get(topic) ?? new Set();
    this.#waiters.set(topic, waiters);
    waiters.add(wake);
    return () => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(topic) === waiters) this.#waiters.delete(topic);
    };
  }

  /**
   * For who reads a workspace on and on, by a right that hangs on something else besides (`right`: the id of an API key or a session). Now and then they look again without a change, all of one
   * workspace together, so that they can share what they find. The feed's end is theirs: `gone` is aborted. Whoever asks for a watch has to `end` it.
   */
  watch(workspaceId: string, right: string, gone: AbortController): Watch {
    const watch = new Watch(gone.signal);
    const stir = (): void => {
      // They end so that their readers connect to who comes next; one that takes nothing more must not hold up the end.
      if (this.#closed) gone.abort();
      watch.stir();
    };
    watch.whenEnded(
      this.subscribe(workspaceId, stir),
      this.subscribe(right, stir),
      this.#rhythms.join(workspaceId, stir),
    );
    if (this.#closed) gone.abort();
    return watch;
  }

  /**
   * Asks `look` now and after each change until it answers something or the time is over; now and then also without a change, since notices can be lost. Subscribes
   * before it looks, so that a change between the two is not missed.
   */
  async until<T>(
    topic: string,
    waitSeconds: number,
    signal: AbortSignal,
    look: () => Promise<T | null>,
    lookAgainSeconds = this.lookAgainSeconds,
  ): Promise<T | null> {
    // One object, since its fields change between the lines, from timers and notices.
    const waiting = { changed: true, over: signal.aborted, wake: (): void => undefined };
    const stir = (): void => {
      waiting.changed = true;
      waiting.wake();
    };
    const end = (): void => {
      waiting.over = true;
      waiting.wake();
    };
    const isOver = (): boolean => waiting.over || this.#closed;
    const unsubscribe = this.subscribe(topic, stir);
    const timer = setTimeout(end, waitSeconds * 1000);
    const again = setInterval(stir, lookAgainSeconds * 1000);
    signal.addEventListener('abort', end, { once: true });
    try {
      for (;;) {
        if (waiting.changed) {
          waiting.changed = false;
          const found = await look();
          if (found !== null) return found;
        }
        if (isOver()) return null;
        await new Promise<void>((resolve) => {
          waiting.wake = resolve;
          if (waiting.changed) resolve();
        });
      }
    } finally {
      clearTimeout(timer);
      clearInterval(again);
      signal.removeEventListener('abort', end);
      unsubscribe();
    }
  }

  /** True once it is closing. */
  get closed(): boolean {
    return this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeAll();
    await this.notices.close();
  }

  #wake(topic: string): void {
    for (const wake of this.#waiters.get(topic) ?? []) wake();
  }

  #wakeAll(): void {
    for (const topic of this.#waiters.keys()) this.#wake(topic);
  }
}
