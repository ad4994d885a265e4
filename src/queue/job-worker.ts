import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Job, Worker } from 'bullmq';
import {
  causeFields,
  forCause,
  inSpan,
  LOG,
  messageOf,
  METRICS,
  TRACER,
  whenAsked,
  type Log,
  type Metrics,
  type Tracer,
} from '../kernel/index.js';
import { QUEUE_BACKEND, type QueueBackend } from './backend.js';
import { jobs } from './catalog.js';
import { takeCause } from './job-cause.js';
import { JobHandlers } from './job-handlers.js';
import { MAIN_QUEUE, PATIENT_QUEUE } from './job-queue.js';
import { Trouble } from './trouble.js';

/** Of each queue. */
const CONCURRENCY = 10;
/** Of jobs that wait for others, which costs next to nothing: whoever is behind them, and would be quick, does not wait with them. */
const PATIENT_CONCURRENCY = 500;
/** A job of a process that was killed is taken up by another after 8 to 14 s: its lock runs out, and a check every 3 s finds it. One that lives renews its lock twice in that time. */
const LOCK_MS = 8_000;
const STALLED_CHECK_MS = 3_000;
/** How soon a store that was away is asked again. */
const RETRY_MS = 1_000;
/** With nothing in hand, a worker closes within milliseconds; one that does not waits for a store that is away. */
const CLOSE_MS = 3_000;

/** Takes jobs off the queues and hands them to their handlers. */
@Injectable()
export class JobWorker {
  readonly #workers = new Map<string, Worker>();
  readonly #inHand = new Set<Promise<void>>();
  readonly #checksToCome = new Map<Worker, NodeJS.Timeout>();
  readonly #trouble: Trouble;

  constructor(
    @Inject(QUEUE_BACKEND) private readonly backend: QueueBackend,
    private readonly handlers: JobHandlers,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(TRACER) private readonly tracer: Tracer,
  ) {
    this.#trouble = new Trouble(log, 'the queue worker has trouble with its store');
  }

  /** Begins to work on a queue, when all of Berth is ready; checks first that every job has its handler. A queue that is worked on already stays so. */
  start(queue = MAIN_QUEUE): void {
    this.handlers.check();
    if (this.#workers.has(queue)) return;
    const worker = this.#open(queue);
    this.#workers.set(queue, worker);
    void worker
      .run()
      .catch((error: unknown) => this.log.error({ reason: messageOf(error) }, 'the queue worker stopped'));
  }

  /** Takes no more jobs and waits for those in hand; what a fetch under way brings still counts as in hand. */
  async stop(): Promise<void> {
    const workers = [...this.#workers.values()];
    for (const check of this.#checksToCome.values()) clearTimeout(check);
    const closed = Promise.all(workers.map((worker) => worker.close())).then(() => true);
    if (await Promise.race([closed, this.#emptyHanded().then(() => false)])) return;
    // The store is away: what was done is not booked, and so done again by another. It must not hold up the end.
    this.#trouble.tell('it did not answer at the end; what could not be booked is done again');
    for (const worker of workers) void worker.getBackend().close(true);
  }

  #open(queue: string): Worker {
    const worker = this.backend.worker(queue, (job) => this.#work(job), {
      concurrency: queue === PATIENT_QUEUE ? PATIENT_CONCURRENCY : CONCURRENCY,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      runRetryDelay: RETRY_MS,
    });
    worker.on('failed', (job, error) => {
      const fields = { job: job?.name, attempt: job?.attemptsMade, reason: error.message };
      this.log.warn({ ...fields, ...causeFields(takeCause(job?.data).cause) }, 'a job failed');
    });
    worker.on('error', (error) => {
      this.#trouble.tell(error.message);
      this.#checkAgain(worker);
    });
    return worker;
  }

  async #work(job: Job): Promise<void> {
    const { payload, cause } = takeCause(job.data);
    const attributes = { 'berth.job.attempt': job.attemptsMade + 1 };
    const work = forCause(cause, () =>
      inSpan(whenAsked(this.tracer), `job ${job.name}`, { attributes }, () =>
        this.#measured(job.name, payload),
      ),
    );
    this.#inHand.add(work);
    try {
      await work;
    } finally {
      this.#inHand.delete(work);
    }
  }

  async #measured(name: string, payload: unknown): Promise<void> {
    const begun = performance.now();
    let outcome = 'failed';
    try {
      await this.handlers.run(name, payload);
      outcome = 'done';
    } finally {
      // Another version's jobs have names that we do not know, and nobody bounds.
      const job = name in jobs ? name : 'unknown';
      const seconds = (performance.now() - begun) / 1000;
      this.metrics.observe('berth_job_duration_seconds', { job, outcome }, seconds);
    }
  }

  /**
   * BullMQ's look for jobs of dead workers ends for good at an error of the store that is not a lost connection (out of memory, shutting down), and those jobs would be
   * stuck until a restart, with all equal ones behind them.
   */
  #checkAgain(worker: Worker): void {
    if (this.#checksToCome.has(worker)) return;
    const check = setTimeout(() => {
      this.#checksToCome.delete(worker);
      void worker.startStalledCheckTimer();
    }, STALLED_CHECK_MS);
    this.#checksToCome.set(worker, check.unref());
  }

  /** Comes when there was nothing in hand for a while. */
  async #emptyHanded(): Promise<void> {
    do {
      await Promise.allSettled(this.#inHand);
      await delay(CLOSE_MS, undefined, { ref: false });
    } while (this.#inHand.size > 0);
  }
}
