/**
 * A process that holds an embedded Postgres, as Berth would, so that a test can kill it. Argument: the directory. Says
 * `{ownerUrl}` or `{code, message}` on its IPC channel; stops in order on SIGTERM.
 */
import { startEmbeddedPostgres } from '../../src/database/embedded/index.js';
import { BerthError, messageOf, silentLog } from '../../src/kernel/index.js';

try {
  const postgres = await startEmbeddedPostgres({ directory: process.argv[2] ?? '', log: silentLog });
  process.once('SIGTERM', () => void postgres.stop().then(() => process.exit()));
  process.send?.({ ownerUrl: postgres.ownerUrl });
} catch (error) {
  process.send?.({ code: error instanceof BerthError ? error.code : 'unknown', message: messageOf(error) });
  process.disconnect();
}
