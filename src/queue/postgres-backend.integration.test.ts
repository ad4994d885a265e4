import { startDyingPostgres } from '../../test/support/dying-postgres.js';
import { postgresBackend } from './index.js';

it('outlives a Postgres that is killed as it is connected to', async () => {
  const dying = await startDyingPostgres();
  const backend = postgresBackend(dying.url);
  const queue = backend.queue('berth');
  const complaints: string[] = [];
  queue.on('error', ({ message }) => complaints.push(message));
  await expect(queue.add('sweep', {})).rejects.toThrow(/connection|terminating/i);
  await queue.close().catch(() => undefined);
  await Promise.all([backend.close(), dying.close()]);
});
