import { createPostgresBackend, withBackend, type Queue, type Worker } from 'bullmq';
import pg from 'pg';
import { PooledClient } from '../database/index.js';
import type { QueueBackend } from './backend.js';

const SCHEMA = 'bullmq';
/** All queues put their jobs through one pool; a job is one short statement. */
const QUEUE_POOL_SIZE = 4;
/** Each worker opens a pool of its own, besides a connection that listens. With fewer, jobs that end wait for one another. An idle one is closed after ten seconds. */
const WORKER_POOL_SIZE = 4;

const onPostgres = withBackend(createPostgresBackend);

/** The queues on Postgres, in a schema of their own and with a login that can see nothing else. The owner has migrated the schema (rule 5). */
export function postgresBackend(queueUrl: string): QueueBackend {
  const pool = new pg.Pool({
    Client: PooledClient,
    connectionString: queueUrl,
    // BullMQ names its tables without their schema.
    options: `-c search_path="${SCHEMA}"`,
    max: QUEUE_POOL_SIZE,
    keepAlive: true,
    application_name: 'berth queue',
  });
  const own = {
    Client: PooledClient,
    connectionString: queueUrl,
    schema: SCHEMA,
    migrate: false,
    max: WORKER_POOL_SIZE,
  };
  return {
    store: 'Postgres',
    gathers: true,
    // Their types name the store, and nobody who is given one uses more than what both stores have.
    queue: (name) => new onPostgres.Queue(name, { connection: pool }) as unknown as Queue,
    worker: (name, processor, options) =>
      new onPostgres.Worker(name, processor, { ...options, connection: own }) as unknown as Worker,
    close: () => pool.end(),
  };
}
