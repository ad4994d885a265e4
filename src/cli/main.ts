#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cliConfigFile, readAddress, readConnectionConfig, readLocalConfig } from '../config/cli-config.js';
import { systemClock } from '../kernel/index.js';
import { runCli } from './program.js';
import { PlainProgress, SpinnerProgress } from './progress.js';
import { TerminalPrompts } from './prompts.js';

// `berth … | head` closes our output early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const local = readLocalConfig();
const { stdin, stdout, stderr } = process;
const err = (piece: string): void => void stderr.write(piece);

process.exitCode = await runCli(process.argv.slice(2), {
  out: (piece) => void stdout.write(piece),
  err,
  readInput: () => text(stdin),
  color: stdout.isTTY && !local.noColor,
  progress:
    stderr.isTTY && !local.dumbTerminal
      ? new SpinnerProgress(err, () => stderr.columns)
      : new PlainProgress(err),
  prompts: stdin.isTTY && stderr.isTTY ? new TerminalPrompts(stdin, stderr) : null,
  connection: readConnectionConfig,
  address: readAddress,
  configFile: cliConfigFile(),
  local,
  fetch,
  clock: systemClock,
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
  signal: new AbortController().signal,
  newKey: randomUUID,
  serverEntry: fileURLToPath(new URL('../main.js', import.meta.url)),
  inputIsTerminal: stdin.isTTY,
});
