import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { jobs, type JobName, type JobPayload } from './catalog.js';

export const QUEUE = 'berth';

/** Finished jobs are kept for looking at, not for the record: the rows are the record. */
const KEEP_DONE = { count: 100 };
const KEEP_FAILED = { count: 1000 };

/** Puts jobs on the queue, typed by the catalog. */
@Injectable()
export class JobQueue {
  constructor(@InjectQueue(QUEUE) private readonly queue: Queue) {}

  /**
   * Wakes a worker. While an equal job waits, another adds nothing; while one runs, exactly one more follows it, since the running one may have looked already.
   * Call it after the commit. A lost call is made good by the sweep.
   */
  async add<N extends JobName>(name: N, payload: JobPayload<N>): Promise<void> {
    const { attempts, backoffSeconds } = jobs[name];
    const id = [name, ...Object.values(payload as Record<string, string>)].join('/');
    await this.queue.add(name, payload, {
      attempts,
      backoff: { type: 'exponential', delay: backoffSeconds * 1000 },
      deduplication: { id, keepLastIfActive: true },
      removeOnComplete: KEEP_DONE,
      removeOnFail: KEEP_FAILED,
    });
  }

  /** Runs a job again and again, by whichever worker is there; setting it anew replaces the old rhythm. */
  async every(seconds: number, name: JobName): Promise<void> {
    await this.queue.upsertJobScheduler(
      name,
      { every: seconds * 1000 },
      { name, data: {}, opts: { removeOnComplete: KEEP_DONE, removeOnFail: KEEP_FAILED } },
    );
  }

  /** Answers when the queue's store does; throws when it does not. */
  async ping(): Promise<void> {
    await this.queue.getJobCounts('waiting');
  }
}
