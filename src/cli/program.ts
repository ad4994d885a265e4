import { Command } from 'commander';
import { agentsCommand } from './commands/agents.js';
import { logsCommand } from './commands/logs.js';
import { sendCommand } from './commands/send.js';
import { startCommand } from './commands/start.js';
import { createCommand, listCommand, showCommand } from './commands/workspaces.js';
import type { CliContext } from './context.js';
import { describeFailure, exitCodes } from './failure.js';

/** The whole `berth` command. Each group is one file of `commands/`; a new one is one more line here. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('berth')
    .description('Self-hosted control plane for coding-agent workspaces')
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .showHelpAfterError('Run with --help for what is possible.')
    .exitOverride();
  const workspaces = new Command('workspaces')
    .alias('ws')
    .description('work with the workspaces of an organisation');
  for (const command of [createCommand, listCommand, showCommand, sendCommand, logsCommand])
    workspaces.addCommand(command(context));
  for (const command of [startCommand(context), agentsCommand(context), workspaces])
    program.addCommand(command);
  program.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 refused, 2 wrong usage or configuration, 3 Berth cannot be reached, 4 the turn or workspace failed.',
  );
  inheritSettings(program);
  return program;
}

/** commander copies output and exit behaviour only to commands made by `.command()`, not to added ones. */
function inheritSettings(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inheritSettings(child);
  }
}

/**
 * Runs the command and answers its exit code; failures are printed, never thrown.
 * @param args the arguments after the program's name
 */
export async function runCli(args: string[], context: CliContext): Promise<number> {
  try {
    await buildProgram(context).parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const { exitCode, lines } = describeFailure(error);
    for (const line of lines) context.err(`${line}\n`);
    return exitCode;
  }
}
