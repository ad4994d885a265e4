#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readConnectionConfig, readLocalConfig } from '../config/cli-config.js';
import { systemClock } from '../kernel/index.js';
import { runCli } from './program.js';

// `berth … | head` closes our output early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const local = readLocalConfig();
process.exitCode = await runCli(process.argv.slice(2), {
  out: (piece) => void process.stdout.write(piece),
  err: (piece) => void process.stderr.write(piece),
  readInput: () => text(process.stdin),
  color: process.stdout.isTTY && !local.noColor,
  connection: readConnectionConfig,
  local,
  fetch,
  clock: systemClock,
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
  signal: new AbortController().signal,
  serverEntry: fileURLToPath(new URL('../main.js', import.meta.url)),
  inputIsTerminal: process.stdin.isTTY,
});
