import type { ChildProcess } from 'node:child_process';

/** Stops the Postgres of this run and waits until its files are gone. */
export default async function globalTeardown(): Promise<void> {
  const server = (globalThis as { berthTestPostgres?: ChildProcess }).berthTestPostgres;
  // Nothing to stop when it never started, and nothing to wait for when it has ended by itself.
  if (server?.exitCode !== null || server.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    server.once('exit', () => resolve());
    server.disconnect();
  });
}
