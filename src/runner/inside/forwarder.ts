import { spawn } from 'node:child_process';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { pathToFileURL } from 'node:url';

/**
 * The first process inside a sandbox, and the only way out of it: whatever connects to `127.0.0.1:<port>` is piped to the proxy's
 * Unix socket. Then it starts the real command with its own stdio and ends as that command ends.
 *
 * One file, built-ins only: it is bound alone into the sandbox. Usage: `node forwarder.mjs <port> <socket> <command> [args…]`.
 */

/** How long a connection waits for a proxy that is just restarting, in tries of `RETRY_MILLISECONDS`. */
const RETRIES = 20;
const RETRY_MILLISECONDS = 250;
const COMMAND_NOT_FOUND = 127;
const SIGNAL_BASE = 128;

function join(client: Socket, upstream: Socket): void {
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}

/** Connects to the socket. A proxy that restarts leaves the name missing or dead for a moment; git does not try again by itself, so this does. */
function connect(client: Socket, socketPath: string, retriesLeft: number): void {
  const upstream = createConnection({ path: socketPath, allowHalfOpen: true });
  const retry = (): void => {
    if (client.destroyed) return;
    if (retriesLeft === 0) {
      client.destroy();
      return;
    }
    setTimeout(() => connect(client, socketPath, retriesLeft - 1), RETRY_MILLISECONDS);
  };
  upstream.once('error', retry);
  upstream.once('connect', () => {
    upstream.off('error', retry);
    if (client.destroyed) upstream.destroy();
    else join(client, upstream);
  });
}

/** Listens on loopback and pipes each connection to the Unix socket. Port 0 takes any free one. Rejects when the port cannot be bound. */
export function startForwarder(port: number, socketPath: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    connect(client, socketPath, RETRIES);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function runCommand(command: string, args: string[]): void {
  const child = spawn(command, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  child.once('error', (error) => {
    process.stderr.write(`${command}: ${error.message}\n`);
    process.exit(COMMAND_NOT_FOUND);
  });
  child.once('exit', (code, signal) => {
    process.exit(signal === null ? (code ?? 1) : SIGNAL_BASE + constants.signals[signal]);
  });
}

async function main(): Promise<void> {
  const [port, socketPath, command, ...args] = process.argv.slice(2);
  if (port === undefined || socketPath === undefined || command === undefined) {
    process.stderr.write('usage: forwarder <port> <socket> <command> [args…]\n');
    process.exit(2);
  }
  await startForwarder(Number(port), socketPath);
  runCommand(command, args);
}

const script = process.argv[1];
if (script !== undefined && import.meta.url === pathToFileURL(script).href) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
