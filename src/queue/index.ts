export * from './catalog.js';
export { JobHandlers } from './job-handlers.js';
export { JobQueue } from './job-queue.js';
export { JobWorker } from './job-worker.js';
export { QueueModule } from './queue.module.js';
