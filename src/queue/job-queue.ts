import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import {
  currentCause,
  Gathering,
  LOG,
  METRICS,
  type Log,
  type Metrics,
  type Reading,
} from '../kernel/index.js';
import { QUEUE_BACKEND, type QueueBackend } from './backend.js';
import { jobs, type JobDefinition, type JobName, type JobPayload } from './catalog.js';
import { withCause } from './job-cause.js';
import { Trouble } from './trouble.js';

/** The queue of everything that any worker may do. */
export const MAIN_QUEUE = 'berth';

/** That of everything any worker may do, and which waits for others: many of it are under way at a time. */
export const PATIENT_QUEUE = `${MAIN_QUEUE}-patient`;

/** The queue of one host: taken from by the one worker that holds it. */
export function queueOf(hostId: string): string {
  return `${MAIN_QUEUE}-${hostId}`;
}

/** Where a job waits, and how often it may come. */
export interface JobOptions {
  /** The host whose worker is to do it; null: whichever worker is free. */
  host?: string | null;
  /** At most one in so many seconds, however many ask: for a rhythm that every process keeps and one of them follows. */
  onceInSeconds?: number;
}

/**
 * Failed jobs are kept for looking at, not for the record: the rows are the record. Of done ones there is nothing to see, and BullMQ's trimming of them on Postgres, done
 * by every job as it ends, is slow and could, as its code reads, end in a deadlock with that of another.
 */
const KEEP_FAILED = { count: 1000 };

/** How many jobs of a queue are where. */
export interface JobCounts {
  waiting: number;
  active: number;
  /** Those that failed and pause before their next attempt. */
  delayed: number;
  /** Those that failed for good, the last thousand. */
  failed: number;
}

/** A job as BullMQ takes it. */
interface QueuedJob {
  name: JobName;
  data: object;
  opts: JobsOptions;
}

/** A queue, and the way onto it. */
interface Line {
  queue: Queue;
  write(job: QueuedJob): Promise<unknown>;
}

/** Puts jobs on the queues, typed by the catalog. */
@Injectable()
export class JobQueue implements OnApplicationShutdown {
  readonly #lines = new Map<string, Line>();
  readonly #trouble: Trouble;

  constructor(
    @Inject(QUEUE_BACKEND) private readonly backend: QueueBackend,
    @Inject(LOG) log: Log,
    @Inject(METRICS) metrics: Metrics,
  ) {
    metrics.watch('berth_queue_jobs', () => this.#depth());
    this.#trouble = new Trouble(log, 'the queue has trouble with its store');
  }

  /** Where the queues are kept. */
  get store(): QueueBackend['store'] {
    return this.backend.store;
  }

  /**
   * Wakes a worker. While an equal job waits, another adds nothing; while one runs, exactly one more follows it, since the running one may have looked already (but for what `isEnoughOnce`); one
   * that failed and pauses before its next attempt is tried now. Call it after the commit. A lost call is made good by the sweep.
   */
  async add<N extends JobName>(
    name: N,
    payload: JobPayload<N>,
    { host = null, onceInSeconds }: JobOptions = {},
  ): Promise<void> {
    const definition: JobDefinition = jobs[name];
    const { attempts, backoffSeconds, isPatient, isEnoughOnce = false } = definition;
    // Sorted: JSON from the database comes back with its keys in another order.
    const ids = Object.entries(payload).sort(([a], [b]) => a.localeCompare(b));
    const id = [name, ...ids.map(([, value]) => String(value))].join('/');
    const once = onceInSeconds
      ? { ttl: Math.round(onceInSeconds * 1000) }
      : { keepLastIfActive: !isEnoughOnce, reschedule: true };
    const opts: JobsOptions = {
      attempts,
      backoff: { type: 'exponential', delay: backoffSeconds * 1000 },
      deduplication: { id, ...once },
      removeOnComplete: true,
      removeOnFail: KEEP_FAILED,
    };
    const own = isPatient ? PATIENT_QUEUE : MAIN_QUEUE;
    const line = this.#line(host === null ? own : queueOf(host));
    await line.write({ name, data: withCause(payload, currentCause()), opts });
  }

  async counts(queue = MAIN_QUEUE): Promise<JobCounts> {
    const found = await this.#line(queue).queue.getJobCounts('waiting', 'active', 'delayed', 'failed');
    const { waiting = 0, active = 0, delayed = 0, failed = 0 } = found;
    return { waiting, active, delayed, failed };
  }

  /** Answers when the queue's store does; throws when it does not. */
  async ping(): Promise<void> {
    await this.counts();
  }

  /** Closed with the app, when no request and no worker asks for anything any more. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ queue }) => queue.close()));
    await this.backend.close();
  }

  /** The queues of all hosts are one series: hosts come and go. Only those that this process has jobs for are known to it. */
  async #depth(): Promise<Reading<'berth_queue_jobs'>[]> {
    const ofAll = [MAIN_QUEUE, PATIENT_QUEUE];
    const names = [...new Set([...ofAll, ...this.#lines.keys()])];
    const counts = await Promise.all(names.map((name) => this.counts(name)));
    const sum = (isMain: boolean, state: keyof JobCounts): number =>
      counts.reduce(
        (all, count, at) => all + (ofAll.includes(names[at] ?? '') === isMain ? count[state] : 0),
        0,
      );
    return (['waiting', 'active', 'delayed', 'failed'] as const).flatMap((state) => [
      { labels: { queue: 'berth', state }, value: sum(true, state) },
      { labels: { queue: 'host', state }, value: sum(false, state) },
    ]);
  }

  #line(queueName: string): Line {
    const known = this.#lines.get(queueName);
    if (known) return known;
    const queue = this.backend.queue(queueName);
    // Without a listener BullMQ prints the error to the console, and with it the connection it belongs to, login and all.
    queue.on('error', (error) => this.#trouble.tell(error.message));
    const one = ({ name, data, opts }: QueuedJob): Promise<unknown> => queue.add(name, data, opts);
    const gathering = new Gathering<QueuedJob>((all) =>
      all.length === 1 && all[0] ? one(all[0]) : queue.addBulk(all),
    );
    const write = this.backend.gathers ? (job: QueuedJob) => gathering.add(job) : one;
    const line = { queue, write };
    this.#lines.set(queueName, line);
    return line;
  }
}
