import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { startForwarder } from './start-forwarder.js';

/**
 * The first process inside a sandbox, and the only way out of it: whatever connects to `127.0.0.1:<port>` is piped to the proxy's
 * Unix socket. Then it starts the real command with its own stdio and ends as that command ends.
 *
 * Built into one file, with built-ins only: it is bound alone into the sandbox. Usage: `node forwarder.mjs <port> <socket> <command> [args…]`.
 */

const COMMAND_NOT_FOUND = 127;
const SIGNAL_BASE = 128;

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

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
