import { InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { LOG, type Log } from '../kernel/index.js';
import { jobs, type JobName, type JobPayload } from './catalog.js';

export const QUEUE = 'berth';

/** Finished jobs are kept for looking at, not for the record: the rows are the record. */
const KEEP_DONE = { count: 100 };
const KEEP_FAILED = { count: 1000 };

/** Puts jobs on the queue, typed by the catalog. */
@Injectable()
export class JobQueue {
  constructor(
    @InjectQueue(QUEUE) private readonly queue: Queue,
    @Inject(LOG) log: Log,
  ) {
    // Without a listener BullMQ prints the error to the console, and with it the connection it belongs to, login and all.
    queue.on('error', (error) => log.warn({ reason: error.message }, 'the queue has trouble with its store'));
  }

  /**
   * Wakes a worker. While an equal job waits, another adds nothing; while one runs, exactly one more follows it, since the running one may have looked already; one
   * that failed and pauses before its next attempt is tried now. Call it after the commit. A lost call is made good by the sweep.
   */
  async add<N extends JobName>(name: N, payload: JobPayload<N>): Promise<void> {
    const { attempts, backoffSeconds } = jobs[name];
    // Sorted: JSON from the database comes back with its keys in another order.
    const ids = Object.entries(payload as Record<string, string>).sort(([a], [b]) => a.localeCompare(b));
    const id = [name, ...ids.map(([, value]) => value)].join('/');
    await this.queue.add(name, payload, {
      attempts,
      backoff: { type: 'exponential', delay: backoffSeconds * 1000 },
      deduplication: { id, keepLastIfActive: true, reschedule: true },
      removeOnComplete: KEEP_DONE,
      removeOnFail: KEEP_FAILED,
    });
  }

  /** Answers when the queue's store does; throws when it does not. */
  async ping(): Promise<void> {
    await this.queue.getJobCounts('waiting');
  }
}
