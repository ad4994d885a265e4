import { spawn } from 'node:child_process';
import path from 'node:path';

// Jest loads this file outside its module system, without the mapping of ".js" to ".ts": it may import nothing of ours.

/**
 * Starts the Postgres of this run once, with the migrated template database in it, and tells the workers by the environment variable
 * `BERTH_TEST_POSTGRES`, the path of a file that `postgres.ts` reads.
 */
export default async function globalSetup(_global: unknown, project: { rootDir: string }): Promise<void> {
  const server = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(project.rootDir, 'test', 'support', 'postgres-server.ts')],
    { cwd: project.rootDir, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  (globalThis as { berthTestPostgres?: unknown }).berthTestPostgres = server;
  process.env.BERTH_TEST_POSTGRES = await new Promise<string>((resolve, reject) => {
    server.once('message', (message: { file?: string; error?: string }) => {
      if (message.file === undefined)
        reject(new Error(`The test database does not start: ${message.error ?? ''}`));
      else resolve(message.file);
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`The test database ended with code ${String(code)}.`)));
  });
}
