import { Command } from 'commander';
import { shortId } from '../../../kernel/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { QuietExit } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText } from '../../render.js';
import type { Session } from '../../session.js';
import { lastEventNumber } from '../../turn.js';
import { waitForState, waitUntilDeleted, type Goal } from '../../workspace-state.js';
import { printWorkspace } from './show.js';

interface OrderOptions extends OutputOptions {
  wait?: true;
}

/** `berth workspaces hibernate` */
export function hibernateCommand(context: CliContext): Command {
  const command = orderCommand(context, 'hibernate', 'hibernated');
  command.description('put a workspace to sleep: its processes end, its files stay');
  return withExamples(command, 'berth workspaces hibernate 1f0c22aa --wait');
}

/** `berth workspaces wake` */
export function wakeCommand(context: CliContext): Command {
  const command = orderCommand(context, 'wake', 'running');
  command.description('wake a workspace, or try a failed one again');
  return withExamples(command, 'berth workspaces wake 1f0c22aa --wait');
}

function orderCommand(context: CliContext, name: 'hibernate' | 'wake', goal: Goal): Command {
  return withConnection(new Command(name))
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .option('--wait', `wait until it is ${goal}`)
    .option('--json', 'print the workspace as JSON')
    .action(async (given: string, options: OrderOptions) => {
      const session = await connect(context, options);
      const id = await session.workspaceId(given);
      // Asked before the order, so that no change after it is missed.
      const after = options.wait ? await lastEventNumber(session, id) : 0;
      const ordered = await session.order(id, name);
      const workspace = options.wait ? await waitForState(session, context, { id, goal, after }) : ordered;
      if (options.json) printWorkspace(context, options, workspace);
      else context.out(`The workspace ${shortId(id)} is ${workspace.state}.\n`);
    });
}

/** `berth workspaces delete` */
export function deleteCommand(context: CliContext): Command {
  const command = withConnection(new Command('delete'))
    .alias('rm')
    .description('delete a workspace with its files, messages and events; what was pushed stays')
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .option('-y, --yes', 'do not ask (a script is not asked anyway)')
    .option('--wait', 'wait until it is gone')
    .option('--json', 'print the workspace as JSON, as it was when its deletion was ordered')
    .action(async (given: string, options: OrderOptions & { yes?: true }) => {
      const session = await connect(context, options);
      const id = await session.workspaceId(given);
      if (!options.yes) await confirmDeletion(context, session, id);
      const ordered = await session.order(id, 'delete');
      if (options.wait) await waitUntilDeleted(session, context, id);
      const state = options.wait ? 'deleted' : 'deleting';
      context.out(options.json ? `${jsonText(ordered, 2)}\n` : `The workspace ${shortId(id)} is ${state}.\n`);
    });
  return withExamples(
    command,
    'berth workspaces delete 1f0c22aa',
    'berth workspaces delete 1f0c22aa --yes --wait',
  );
}

async function confirmDeletion(context: CliContext, session: Session, id: string): Promise<void> {
  if (context.prompts === null) return;
  const { name, repository } = await session.workspace(id);
  const what = [name, repository].filter(Boolean).join(', ');
  if (await context.prompts.confirm(`Delete the workspace ${shortId(id)} (${what}) and its files?`)) return;
  context.err('Nothing was deleted.\n');
  throw new QuietExit(1);
}
