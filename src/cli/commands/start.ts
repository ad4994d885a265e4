import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { requireServer } from '../server-program.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `berth start` */
export function startCommand(context: CliContext): Command {
  const command = new Command('start')
    .description('start Berth in the foreground; settings come from the environment')
    .action(() => start(context));
  return withExamples(command, 'berth start', 'PORT=8080 BERTH_DATA_DIR=/var/lib/berth berth start');
}

async function start(context: CliContext): Promise<void> {
  requireServer(context.serverEntry);
  const child = spawn(process.execPath, [...process.execArgv, context.serverEntry], { stdio: 'inherit' });
  const passOn = (signal: NodeJS.Signals): void => {
    // Ctrl-C and a closed terminal reach every process of the foreground group; passed on again, the server would take it for a second, impatient one.
    if (context.inputIsTerminal && signal !== 'SIGTERM') return;
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, passOn);
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
    if (exitCode !== 0) throw new QuietExit(exitCode);
  } finally {
    for (const signal of signals) process.off(signal, passOn);
  }
}
