import { BullModule } from '@nestjs/bullmq';
import { Module, type DynamicModule } from '@nestjs/common';
import { createPostgresBackend, setDefaultBackendFactory, type ConnectionOptions } from 'bullmq';
import { JobHandlers } from './job-handlers.js';
import { JobQueue, QUEUE } from './job-queue.js';
import { JobWorker } from './job-worker.js';

/** Each Queue and Worker opens a pool of its own, besides a connection that listens; two are enough for either. */
const POOL_SIZE = 2;

/** The queue on Postgres, in its own schema and with its own login, which can see nothing else. */
@Module({})
export class QueueModule {
  static onPostgres(queueUrl: string): DynamicModule {
    setDefaultBackendFactory(createPostgresBackend);
    // Typed for Redis by @nestjs/bullmq; the Postgres backend takes its own options in the same place. The owner has migrated the schema (rule 5).
    const connection = {
      connectionString: queueUrl,
      schema: 'bullmq',
      migrate: false,
      max: POOL_SIZE,
    } as unknown as ConnectionOptions;
    return {
      module: QueueModule,
      global: true,
      imports: [BullModule.forRoot({ connection }), BullModule.registerQueue({ name: QUEUE })],
      providers: [JobHandlers, JobQueue, JobWorker],
      exports: [JobHandlers, JobQueue, JobWorker],
    };
  }
}
