import path from 'node:path';
import 'reflect-metadata';
import { createLog } from './app/log.js';
import { startBerth } from './app/compose.js';
import { diagnoseEnvironment, loadConfig } from './config/index.js';
import { armCrashPoints, BerthError, messageOf, type CrashPoint, type Log } from './kernel/index.js';

/** A stop that hangs must not hang forever; supervisors give less time than that anyway. */
const STOP_SECONDS = 30;
/** Of the built program: `dist`. */
const folder = import.meta.dirname;

async function main(): Promise<void> {
  if (process.argv[2] === 'doctor') return examine();
  const config = loadConfig();
  const log = createLog(config.logLevel);
  if (config.crashPoint) killAt(config.crashPoint);
  const berth = await startBerth(config, folder, log, () => process.exit(1));
  stopOnSignal(() => berth.close(), log);
  log.info({ role: config.role, url: berth.url, dataDirectory: config.dataDirectory }, 'Berth is ready');
  process.stdout.write(
    config.role === 'worker' ? workerWelcome(berth.url) : welcome(berth.url, berth.setupUrl),
  );
}

/** `main.js doctor`: looks at everything and starts nothing; one line of JSON for each finding, for the berth command to show. */
async function examine(): Promise<void> {
  const { runDoctor } = await import('./app/doctor/index.js');
  const migrations = path.join(folder, '../prisma/migrations');
  await runDoctor(diagnoseEnvironment(), migrations, (line) => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  });
}

/** For tests of crashes (BERTH_CRASH_POINT): the process takes itself away without a word when it comes to this place for the n-th time. */
function killAt({ name, count }: { name: CrashPoint; count: number }): void {
  let times = 0;
  armCrashPoints((reached) => {
    if (reached === name && ++times === count) process.kill(process.pid, 'SIGKILL');
  });
}

function welcome(url: string, setupUrl: string | null): string {
  if (!setupUrl) return `\n  Berth is ready on ${url}  (API: ${url}/docs)\n\n`;
  return `\n  Berth is ready on ${url}\n  Nobody has set it up yet. Open this link to begin:\n\n    ${setupUrl}\n\n`;
}

function workerWelcome(url: string): string {
  return `\n  Berth is ready on ${url}  (worker: /healthz, /readyz and /metrics only)\n\n`;
}

/** The second signal does not wait any longer. */
function stopOnSignal(close: () => Promise<void>, log: Log): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_SECONDS * 1000).unref();
    void close().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main().catch((error: unknown) => {
  // For people at a terminal: what is wrong and what to do. What we did not foresee comes with its stack.
  const text =
    error instanceof BerthError
      ? `${error.message} [${error.code}]`
      : ((error as Error).stack ?? messageOf(error));
  process.stderr.write(`\nBerth did not start.\n${text}\n`);
  process.exit(1);
});
