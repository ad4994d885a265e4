import { Command } from 'commander';
import { wholeNumber } from '../../arguments.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { eventLine, jsonText } from '../../render.js';

interface LogsOptions extends OutputOptions {
  follow?: true;
  after: number;
}

/** `berth workspaces logs` */
export function logsCommand(context: CliContext): Command {
  const command = withConnection(new Command('logs'))
    .description('print the events of a workspace')
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .option('-f, --follow', 'go on with new events as they come')
    .option('--after <number>', 'only events after this number', wholeNumber, 0)
    .option('--json', 'print each event as one line of JSON')
    .action(async (given: string, options: LogsOptions) => {
      const session = await connect(context, options);
      const id = await session.workspaceId(given);
      const events = options.follow
        ? session.followEvents(id, options.after)
        : session.storedEvents(id, options.after);
      for await (const event of events)
        context.out(options.json ? `${jsonText(event)}\n` : eventLine(event, context.color));
    });
  return withExamples(
    command,
    'berth workspaces logs 1f0c22aa -f',
    'berth workspaces logs 1f0c22aa --after 120 --json | jq .type',
  );
}
