import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText, workspaceDetails, workspaceTable } from '../../render.js';
import type { Workspace } from '../../wire.js';

/** `berth workspaces list` */
export function listCommand(context: CliContext): Command {
  const command = withConnection(new Command('list'))
    .alias('ls')
    .description('list the workspaces')
    .option('--json', 'print them as a JSON array')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const workspaces: Workspace[] = [];
      for await (const workspace of session.workspaces()) workspaces.push(workspace);
      context.out(options.json ? `${jsonText(workspaces, 2)}\n` : workspaceTable(workspaces));
    });
  return withExamples(command, 'berth workspaces list', 'berth workspaces list --json | jq -r ".[].id"');
}

/** `berth workspaces show` */
export function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show one workspace')
    .argument('<id>', 'its id, or the last eight digits of it')
    .option('--json', 'print it as JSON')
    .action(async (id: string, options: OutputOptions) => {
      const session = await connect(context, options);
      printWorkspace(context, options, await session.workspace(await session.workspaceId(id)));
    });
  return withExamples(command, 'berth workspaces show 1f0c22aa');
}

/** One workspace, for people or as JSON. */
export function printWorkspace(context: CliContext, options: { json?: true }, workspace: Workspace): void {
  context.out(options.json ? `${jsonText(workspace, 2)}\n` : workspaceDetails(workspace));
}
