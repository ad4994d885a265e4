import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { BerthError, messageOf } from '../../kernel/index.js';
import type { PostgresBinaries } from './binaries.js';
import type { ClusterPaths } from './cluster.js';
import { Guard, STARTED_BY } from './guard.js';
import { giveTo, type RunAs } from './identity.js';
import { isPostgresOn, poll, processIdentity, signal } from './processes.js';

const MAX_LOG_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_CHARACTERS = 600;
/** Recovery after a crash reads the whole write-ahead log since the last checkpoint. */
const READY_TIMEOUT_MS = 120_000;
const FAST_SHUTDOWN_TIMEOUT_MS = 30_000;
const IMMEDIATE_SHUTDOWN_TIMEOUT_MS = 5_000;
const POLL_MS = 50;

/** A Postgres process that this process started. */
export interface PostgresServer {
  pid: number;
  port: number;
  /** Settles when the process ended. */
  exited: Promise<void>;
  hasExited(): boolean;
}

export interface ServerSettings {
  port: number;
  isThrowaway: boolean;
}

/** Starts the server on the cluster; it is not yet ready. */
export async function spawnServer(
  paths: ClusterPaths,
  binaries: PostgresBinaries,
  runAs: RunAs,
  how: ServerSettings,
): Promise<PostgresServer> {
  await giveTo(paths.directory, runAs.owner);
  await rotateLog(paths.log);
  const log = await open(paths.log, 'a', 0o600);
  try {
    const command = [...runAs.prefix, binaries.postgres, '-D', paths.data, ...settings(how)];
    const child = spawn(command[0] ?? '', command.slice(1), {
      ...runAs.ids,
      cwd: '/',
      env: binaries.environment,
      // A session of its own: Ctrl-C in the terminal must reach Berth alone, which then stops the database last.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    return await started(child, how.port);
  } finally {
    await log.close();
  }
}

function settings({ port, isThrowaway }: ServerSettings): string[] {
  const parameters: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    // No Unix socket: its path is limited to 107 bytes and data directories are longer.
    unix_socket_directories: '',
    // Of one Berth, or of those of all tests that run at a time.
    max_connections: isThrowaway ? 300 : 100,
    shared_buffers: '32MB',
    // Durable even if someone edits postgresql.conf: nothing may be lost at a crash.
    fsync: isThrowaway ? 'off' : 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Statements and details of rows may hold secrets, the log must not.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    logging_collector: 'off',
    [STARTED_BY]: processIdentity(process.pid),
  };
  return Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function started(child: ChildProcess, port: number): Promise<PostgresServer> {
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  return { pid: child.pid ?? 0, port, exited, hasExited: () => ended };
}

/**
 * Waits until the server takes connections and connects. Undefined when the process ended instead. Throws `database-unavailable`
 * when it takes too long.
 */
export async function connectWhenReady(
  server: PostgresServer,
  url: string,
  paths: ClusterPaths,
): Promise<Guard | undefined> {
  let last: unknown;
  const outcome = await poll<Guard | 'exited'>(
    async () => {
      if (server.hasExited()) return 'exited';
      try {
        return await Guard.connect(url);
      } catch (error) {
        last = error;
        return undefined;
      }
    },
    { timeoutMs: READY_TIMEOUT_MS, intervalMs: POLL_MS },
  );
  if (outcome === 'exited') return undefined;
  if (outcome !== undefined) return outcome;
  throw new BerthError(
    'database-unavailable',
    `The built-in Postgres did not become ready within ${READY_TIMEOUT_MS / 1000} s (${messageOf(last)}). Its log is ${paths.log}.`,
    { cause: last },
  );
}

/** Fast shutdown and wait; if it hangs, harder and harder (Postgres then recovers from its log at the next start). */
export async function stopServer(server: PostgresServer): Promise<void> {
  await stopBySignals(server.pid, () => server.hasExited());
}

/** Stops a server that another process started. Returns when it is gone. */
export async function stopForeignServer(pid: number, paths: ClusterPaths): Promise<void> {
  await stopBySignals(pid, async () => !(await isPostgresOn(pid, paths.data)));
}

async function stopBySignals(pid: number, isGone: () => Promise<boolean> | boolean): Promise<void> {
  const steps = [
    ['SIGINT', FAST_SHUTDOWN_TIMEOUT_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_TIMEOUT_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_TIMEOUT_MS],
  ] as const;
  for (const [name, timeoutMs] of steps) {
    // Looked at before each signal: the number may belong to another process by now.
    if (await isGone()) return;
    signal(pid, name);
    const gone = await poll(async () => ((await isGone()) ? true : undefined), {
      timeoutMs,
      intervalMs: POLL_MS,
    });
    if (gone) return;
  }
  throw new BerthError(
    'database-unavailable',
    `The Postgres process ${pid} does not end even when killed. Look at its disk and stop it by hand.`,
  );
}

/** A port of 127.0.0.1 that is free now, below the range from which the system gives ports to outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The end of the server's log, for an error message. */
export async function logTail(paths: ClusterPaths): Promise<string> {
  const text = await readFile(paths.log, 'utf8').catch(() => '');
  return text.slice(-LOG_TAIL_CHARACTERS).trim();
}

async function rotateLog(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined && found.size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
}
