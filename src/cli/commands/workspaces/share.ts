import { Command } from 'commander';
import { shortId } from '../../../kernel/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { workspaceSchema } from '../../wire.js';
import { printWorkspace } from './show.js';

/** `berth workspaces share` */
export function shareCommand(context: CliContext): Command {
  const command = sharingCommand(context, 'share', true);
  command.description(
    'let every member read your workspace, send messages and wake it; never by your credential',
  );
  return withExamples(command, 'berth workspaces share 1f0c22aa');
}

/** `berth workspaces unshare` */
export function unshareCommand(context: CliContext): Command {
  const command = sharingCommand(context, 'unshare', false);
  command.description('have your workspace to yourself again; what others have under way there is canceled');
  return withExamples(command, 'berth workspaces unshare 1f0c22aa');
}

function sharingCommand(context: CliContext, name: string, shared: boolean): Command {
  return withConnection(new Command(name))
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .option('--json', 'print the workspace as JSON')
    .action(async (given: string, options: OutputOptions) => {
      const session = await connect(context, options);
      const id = await session.workspaceId(given);
      const path = session.path('workspaces', id);
      const workspace = await session.api.change('PATCH', path, workspaceSchema, { body: { shared } });
      if (options.json) printWorkspace(context, options, workspace);
      else
        context.out(
          `The workspace ${shortId(id)} is ${shared ? 'shared with the organization' : 'yours alone'}.\n`,
        );
    });
}
