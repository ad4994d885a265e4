import { proxyPaths, type ProxyReportItem } from '../contracts/proxy.js';
import { messageOf, type Ids, type Log, type Secret } from '../kernel/index.js';
import type { ControlPlane } from './control-plane.js';
import type { Limits } from './limits.js';

/** A report as its maker knows it; the outbox gives it its id. */
export type NewReport = ProxyReportItem extends infer Item
  ? Item extends unknown
    ? Omit<Item, 'id'>
    : never
  : never;

export interface ReportOptions {
  workspaceId: string;
  /** The workspace's proxy token, which may be replaced. */
  token: () => Secret;
  controlPlane: Pick<ControlPlane, 'post'>;
  ids: Ids;
  log: Log;
  limits: Pick<Limits, 'maxReports' | 'firstRetrySeconds' | 'maxRetrySeconds' | 'flushSeconds'>;
}

interface Queued {
  item: ProxyReportItem;
  settle: () => void;
}

const MAX_BATCH = 100;
/** Answers to a batch that will not be better next time. */
const POISON = new Set([400, 413, 415, 422]);
/** The workspace sleeps or is gone, or its token was replaced. While the workspace is open here that may still change. */
const NOT_OURS = new Set([401, 403, 404]);

/**
 * The reports of one workspace on their way to the control plane: in order, one batch in flight, sent again until accepted. An item keeps its id
 * over all deliveries, so that it counts once.
 */
export class ReportOutbox {
  #queue: Queued[] = [];
  #running = false;
  #closing = false;
  #stopped = false;
  #overflowing = false;
  #wake: (() => void) | null = null;
  #idleWaiters: (() => void)[] = [];

  constructor(private readonly options: ReportOptions) {}

  /** Queues a report and returns at once. */
  add(report: NewReport): void {
    void this.tell(report);
  }

  /** Queues a report, and ends once it has been accepted (or given up). */
  tell(report: NewReport): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((settle) => {
      this.#queue.push({ item: { ...report, id: this.options.ids.next() }, settle });
      this.#bound();
      if (!this.#running) void this.#run();
    });
  }

  /** Ends once everything queued so far has been accepted (or given up). */
  delivered(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Delivers what is left, for `flushSeconds` at most, and stops. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.options.limits.flushSeconds * 1000);
    });
    await Promise.race([this.delivered(), limit]);
    clearTimeout(timer);
    const { log, workspaceId } = this.options;
    if (this.#queue.length > 0)
      log.warn({ workspaceId, count: this.#queue.length }, 'reports given up at close');
    this.#stopped = true;
    for (const { settle } of this.#queue) settle();
    this.#queue = [];
    this.#wake?.();
    this.#settle();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let failures = 0;
    while (!this.#stopped && this.#queue.length > 0) {
      const batch = this.#queue.slice(0, MAX_BATCH);
      if (await this.#deliver(batch)) {
        failures = 0;
        const sent = new Set(batch);
        this.#queue = this.#queue.filter((queued) => !sent.has(queued));
        for (const { settle } of batch) settle();
        this.#overflowing = false;
      } else {
        failures += 1;
        await this.#pause(failures);
      }
    }
    this.#running = false;
    this.#settle();
  }

  /** True when the batch needs no further delivery. */
  async #deliver(batch: Queued[]): Promise<boolean> {
    const { controlPlane, token, log, workspaceId } = this.options;
    try {
      const { status } = await controlPlane.post(proxyPaths.report, token(), {
        items: batch.map(({ item }) => item),
      });
      if (status >= 200 && status < 300) return true;
      const final = POISON.has(status) || (this.#closing && NOT_OURS.has(status));
      log[final ? 'error' : 'warn'](
        { workspaceId, status, count: batch.length, final },
        'reports not accepted',
      );
      return final;
    } catch (error) {
      log.warn({ workspaceId, reason: messageOf(error), count: batch.length }, 'reports not delivered');
      return false;
    }
  }

  /** Waits before the next try; `close` cuts the wait short. The jitter keeps workspaces from returning all at once. */
  #pause(failures: number): Promise<void> {
    const { firstRetrySeconds, maxRetrySeconds } = this.options.limits;
    const longest = Math.min(maxRetrySeconds, firstRetrySeconds * 2 ** Math.min(failures - 1, 16));
    const seconds = this.#closing ? firstRetrySeconds : longest * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      this.#wake = done;
    });
  }

  /** Keeps memory bounded while the control plane is away. Token counts go first: a lost receipt would hold up a turn. */
  #bound(): void {
    const { limits, log, workspaceId } = this.options;
    if (this.#queue.length <= limits.maxReports) return;
    const usage = this.#queue.findIndex(({ item }) => item.type === 'usage');
    for (const { settle } of this.#queue.splice(Math.max(usage, 0), 1)) settle();
    if (!this.#overflowing)
      log.error({ workspaceId, limit: limits.maxReports }, 'too many undelivered reports, dropping');
    this.#overflowing = true;
  }

  #settle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
