import { Command } from 'commander';
import { wholeNumber } from '../arguments.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, table } from '../render.js';
import { limitsSchema, type Limits } from '../wire.js';

/** `berth limits` */
export function limitsCommand(context: CliContext): Command {
  const group = new Command('limits').description('how much the organization may use');
  for (const command of [showCommand(context), setCommand(context)]) group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show the limits, and what of them is used')
    .option('--json', 'print them as JSON')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      print(context, options, await session.api.get(session.path('limits'), limitsSchema));
    });
  return withExamples(command, 'berth limits show');
}

interface SetOptions extends OutputOptions {
  workspaces?: number;
  running?: number;
  requestsPerSecond?: number;
}

function setCommand(context: CliContext): Command {
  const command = withConnection(new Command('set'))
    .description('change limits (instance administrators); what is there already stays')
    .option('--workspaces <number>', 'workspaces that are alive', wholeNumber)
    .option('--running <number>', 'of these, that run', wholeNumber)
    .option('--requests-per-second <number>', 'requests to the API', wholeNumber)
    .option('--json', 'print the limits as JSON')
    .action(async (options: SetOptions) => {
      const { workspaces, running, requestsPerSecond } = options;
      const body = Object.fromEntries(
        Object.entries({ workspaces, running, requestsPerSecond }).filter(([, limit]) => limit !== undefined),
      );
      if (Object.keys(body).length === 0)
        throw new CliError(exitCodes.usage, 'Give --workspaces, --running or --requests-per-second.');
      const session = await connect(context, options);
      print(
        context,
        options,
        await session.api.change('PATCH', session.path('limits'), limitsSchema, { body }),
      );
    });
  return withExamples(command, 'berth limits set --organization acme --running 50');
}

function print(context: CliContext, options: OutputOptions, limits: Limits): void {
  const { workspaces, running, requestsPerSecond } = limits;
  const rows = [
    ['workspaces', String(workspaces.limit), String(workspaces.used)],
    ['running workspaces', String(running.limit), String(running.used)],
    ['requests a second', String(requestsPerSecond.limit), '-'],
  ];
  context.out(options.json ? `${jsonText(limits, 2)}\n` : table(['WHAT', 'LIMIT', 'USED'], rows));
}
