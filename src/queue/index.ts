export { QUEUE_BACKEND, type JobWorkerOptions, type QueueBackend } from './backend.js';
export * from './catalog.js';
export { JobHandlers } from './job-handlers.js';
export {
  JobQueue,
  MAIN_QUEUE,
  PATIENT_QUEUE,
  queueOf,
  type JobCounts,
  type JobOptions,
} from './job-queue.js';
export { JobWorker } from './job-worker.js';
export { postgresBackend } from './postgres-backend.js';
export { QueueModule, QueueWorkModule } from './queue.module.js';
export { redisBackend } from './redis-backend.js';
