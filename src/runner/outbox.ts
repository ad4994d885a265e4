import type { ReportAnswer, RunnerItem } from '../contracts/runner.js';
import type { Log } from '../kernel/log.js';
import { Backoff } from './backoff.js';
import { RunnerDismissed } from './control-plane-errors.js';
import { pause, type Timer } from './timer.js';
import type { Fact } from './wire.js';

/** Limits of one `report` (contracts/runner.ts). Bytes leave room for the envelope. */
const MAX_ITEMS = 200;
const MAX_BYTES = 250 * 1024;

interface Entry {
  item: RunnerItem;
  bytes: number;
  /** When the agent ended, for an item that tells its age. */
  endedAt: number | null;
}

export interface OutboxOptions {
  send(items: readonly RunnerItem[], signal: AbortSignal): Promise<ReportAnswer>;
  timer: Timer;
  log: Log;
  /** Called once when the control plane dismissed this runner. */
  onDismissed(): void;
  backoff?: Backoff;
}

/**
 * Facts on their way to the control plane: numbered from 1 without gaps, sent in order and in batches, again and again until acknowledged (the control plane drops a
 * number it has). Kept in memory: what a killed runner had not delivered, its successor does not know, and the turn is continued instead.
 */
export class Outbox {
  readonly #entries: Entry[] = [];
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  #numbered = 0;
  #sending = false;
  #idle: (() => void)[] = [];

  constructor(private readonly options: OutboxOptions) {
    this.#backoff = options.backoff ?? new Backoff();
  }

  /** True when everything is acknowledged. */
  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** Numbers a fact and sends it as soon as it is its turn. `endedAt`: when the agent ended, on `timer`; `ageSeconds` is counted from it at each sending. */
  add(fact: Fact, endedAt: number | null = null): void {
    if (this.#stop.signal.aborted) return;
    this.#numbered += 1;
    const item: RunnerItem = { ...fact, n: this.#numbered };
    this.#entries.push({ item, bytes: Buffer.byteLength(JSON.stringify(item)), endedAt });
    if (!this.#sending) void this.#work();
  }

  /** Resolves when everything is acknowledged, or the signal aborts, or the outbox is closed. */
  drained(signal?: AbortSignal): Promise<void> {
    if (this.empty || this.#stop.signal.aborted || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Waits so long for the rest to be acknowledged, then stops sending. */
  async close(milliseconds: number): Promise<void> {
    const limit = new AbortController();
    const cancel = this.options.timer.after(milliseconds, () => limit.abort());
    await this.drained(limit.signal);
    cancel();
    this.#stop.abort();
    this.#wake();
  }

  async #work(): Promise<void> {
    this.#sending = true;
    // One turn of the loop later: what is added together travels together.
    await Promise.resolve();
    while (!this.empty && !this.#stop.signal.aborted) {
      const wait = await this.#sendOnce();
      if (wait > 0) await pause(this.options.timer, wait, this.#stop.signal);
    }
    this.#sending = false;
    this.#wake();
  }

  /** Sends the first batch. Answers the milliseconds to wait before the next. */
  async #sendOnce(): Promise<number> {
    const batch = this.#batch();
    try {
      const answer = await this.options.send(batch, this.#stop.signal);
      this.#backoff.reset();
      while (this.#entries[0] !== undefined && this.#entries[0].item.n <= answer.acknowledged)
        this.#entries.shift();
      const last = batch.at(-1)?.n ?? 0;
      // At least a moment, so that an answer without progress never makes a busy loop.
      return answer.acknowledged >= last ? 0 : Math.max(answer.retryAfterSeconds * 1000, 50);
    } catch (error) {
      if (this.#stop.signal.aborted) return 0;
      if (error instanceof RunnerDismissed) {
        this.#stop.abort();
        this.options.onDismissed();
        return 0;
      }
      this.options.log.warn({ waiting: this.#entries.length }, 'report not delivered, trying again');
      return this.#backoff.next();
    }
  }

  #batch(): RunnerItem[] {
    const batch: RunnerItem[] = [];
    let bytes = 0;
    for (const entry of this.#entries) {
      bytes += entry.bytes + 1;
      // The first one always goes: it cannot get smaller by waiting.
      if (batch.length > 0 && (batch.length >= MAX_ITEMS || bytes > MAX_BYTES)) break;
      batch.push(this.#dated(entry));
    }
    return batch;
  }

  /** The item as of now: the age of a finished turn grows while it waits. */
  #dated({ item, endedAt }: Entry): RunnerItem {
    if (item.type !== 'turn.finished' || endedAt === null) return item;
    return { ...item, ageSeconds: Math.max(0, (this.options.timer.now() - endedAt) / 1000) };
  }

  #wake(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}
