import { Module, type DynamicModule } from '@nestjs/common';
import { QUEUE_BACKEND, type QueueBackend } from './backend.js';
import { JobHandlers } from './job-handlers.js';
import { JobQueue } from './job-queue.js';
import { JobWorker } from './job-worker.js';

/** The queues, wherever they are kept. The backend is closed with the app. */
@Module({})
export class QueueModule {
  static on(backend: QueueBackend): DynamicModule {
    return {
      module: QueueModule,
      global: true,
      providers: [{ provide: QUEUE_BACKEND, useValue: backend }, JobHandlers, JobQueue],
      exports: [QUEUE_BACKEND, JobHandlers, JobQueue],
    };
  }
}

/** Takes jobs off the queues, in processes that work. */
@Module({ providers: [JobWorker], exports: [JobWorker] })
export class QueueWorkModule {}
