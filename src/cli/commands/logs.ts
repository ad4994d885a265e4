import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { eventLine, jsonText } from '../render.js';
import { connect, withConnection } from '../session.js';
import type { ConnectionOptions } from '../session.js';
import { wholeNumber } from './workspaces.js';

interface LogsOptions extends ConnectionOptions {
  follow?: true;
  after: number;
  json?: true;
}

/** `berth workspaces logs` */
export function logsCommand(context: CliContext): Command {
  const command = new Command('logs')
    .description('print the events of a workspace')
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .option('-f, --follow', 'go on with new events as they come')
    .option('--after <number>', 'only events after this number', wholeNumber, 0)
    .option('--json', 'print each event as one line of JSON');
  return withConnection(command).action(async (given: string, options: LogsOptions) => {
    const session = await connect(context, options);
    const id = await session.workspaceId(given);
    const events = options.follow
      ? session.followEvents(id, options.after)
      : session.storedEvents(id, options.after);
    for await (const event of events)
      context.out(options.json ? `${jsonText(event)}\n` : eventLine(event, context.color));
  });
}
