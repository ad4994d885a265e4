import type { Processor, Queue, Worker, WorkerOptions } from 'bullmq';

/** How a worker of ours runs, without what belongs to the store. */
export type JobWorkerOptions = Omit<WorkerOptions, 'connection' | 'prefix'>;

/** Where BullMQ keeps the queues. Postgres and Redis do the same with the same catalog; they differ in their connections alone. */
export interface QueueBackend {
  /** For people: what does not answer when it does not. */
  readonly store: 'Postgres' | 'Redis';
  /** Whether jobs are better put there together: where each write is a commit. */
  readonly gathers: boolean;
  /** The queue of this name, to put jobs on. */
  queue(name: string): Queue;
  /** One that takes jobs off the queue of this name. */
  worker(name: string, processor: Processor, options: JobWorkerOptions): Worker;
  /** Closes what its queues and workers share, when they are closed. */
  close(): Promise<void>;
}

export const QUEUE_BACKEND = Symbol('QueueBackend');
