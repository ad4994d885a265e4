import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Inject } from '@nestjs/common';
import type { Job } from 'bullmq';
import { LOG, messageOf, type Log } from '../kernel/index.js';
import { JobHandlers } from './job-handlers.js';
import { QUEUE } from './job-queue.js';

const CONCURRENCY = 10;
/** A job of a process that was killed is taken up by another after 15 to 25 s: its lock runs out, and a check every 5 s finds it. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 5_000;

/** Takes jobs off the queue and hands them to their handlers. */
@Processor(QUEUE, {
  concurrency: CONCURRENCY,
  autorun: false,
  lockDuration: LOCK_MS,
  stalledInterval: STALLED_CHECK_MS,
})
export class JobWorker extends WorkerHost {
  constructor(
    private readonly handlers: JobHandlers,
    @Inject(LOG) private readonly log: Log,
  ) {
    super();
  }

  async process(job: Job): Promise<void> {
    await this.handlers.run(job.name, job.data);
  }

  /** Begins to work, when all of Berth is ready; checks first that every job has its handler. */
  start(): void {
    this.handlers.check();
    void this.worker
      .run()
      .catch((error: unknown) => this.log.error({ reason: messageOf(error) }, 'the queue worker stopped'));
  }

  /** Takes no more jobs and waits for those in hand; what a fetch under way brings still counts as in hand. */
  async stop(): Promise<void> {
    await this.worker.close();
  }

  @OnWorkerEvent('failed')
  failed(job: Job | undefined, error: Error): void {
    this.log.warn({ job: job?.name, attempt: job?.attemptsMade, reason: error.message }, 'a job failed');
  }

  @OnWorkerEvent('error')
  broken(error: Error): void {
    this.log.warn({ reason: error.message }, 'the queue worker has trouble with its store');
  }
}
