import { Command, InvalidArgumentError, Option } from 'commander';
import { agentSchema } from '../../contracts/agents.js';
import type { CliContext } from '../context.js';
import { jsonText, workspaceDetails, workspaceTable } from '../render.js';
import { connect, withConnection } from '../session.js';
import type { ConnectionOptions, NewWorkspace, Session } from '../session.js';
import { followTurn, throwUnlessCompleted, waitUntilRunning } from '../turn.js';
import type { EndedTurn } from '../turn.js';
import type { Workspace } from '../wire.js';

interface OutputOptions extends ConnectionOptions {
  json?: true;
}
interface CreateOptions extends OutputOptions, NewWorkspace {
  wait?: true;
}

/** `berth workspaces create` */
export function createCommand(context: CliContext): Command {
  const command = new Command('create')
    .description('make a workspace')
    .requiredOption(
      '--repository <repository>',
      'owner/name, an https git URL, or a file:// URL on the same machine',
    )
    .option('--ref <ref>', "branch, tag or commit to start from (default: the repository's default branch)")
    .addOption(new Option('--agent <agent>', 'which agent').choices(agentSchema.options))
    .option('--model <model>', "which model (default: the agent's configured one)")
    .option('--message <text>', 'the first message to the agent')
    .option('--name <name>', 'a name to know it by')
    .option('--idle-timeout-minutes <minutes>', 'hibernate after so long without activity', wholeNumber)
    .option('--wait', 'wait until it runs, and for the answer when there is a message')
    .option('--json', 'print the workspace as JSON');
  return withConnection(command).action((options: CreateOptions) => create(context, options));
}

/** `berth workspaces list` */
export function listCommand(context: CliContext): Command {
  const command = new Command('list')
    .description('list the workspaces')
    .option('--json', 'print them as a JSON array');
  return withConnection(command).action(async (options: OutputOptions) => {
    const session = await connect(context, options);
    const workspaces: Workspace[] = [];
    for await (const workspace of session.workspaces()) workspaces.push(workspace);
    context.out(options.json ? `${jsonText(workspaces, 2)}\n` : workspaceTable(workspaces));
  });
}

/** `berth workspaces show` */
export function showCommand(context: CliContext): Command {
  const command = new Command('show')
    .description('show one workspace')
    .argument('<id>', 'its id, or the last eight digits of it')
    .option('--json', 'print it as JSON');
  return withConnection(command).action(async (id: string, options: OutputOptions) => {
    const session = await connect(context, options);
    printWorkspace(context, options, await session.workspace(await session.workspaceId(id)));
  });
}

async function create(context: CliContext, options: CreateOptions): Promise<void> {
  const { repository, ref, agent, model, message, name, idleTimeoutMinutes } = options;
  const session = await connect(context, options);
  const made = await session.createWorkspace({
    repository,
    ref,
    agent,
    model,
    message,
    name,
    idleTimeoutMinutes,
  });
  if (!options.wait) {
    printWorkspace(context, options, made);
    return;
  }
  // With --json nothing but the JSON may be on standard output.
  if (!options.json) printWorkspace(context, options, made);
  const running = await waitUntilRunning(session, made.id);
  const turn = message === undefined ? null : await firstTurn(context, session, options, made.id);
  if (options.json)
    printWorkspace(context, options, turn === null ? running : await session.workspace(made.id));
  else if (turn === null) context.out('The workspace is running.\n');
  if (turn !== null) throwUnlessCompleted(turn);
}

async function firstTurn(
  context: CliContext,
  session: Session,
  options: CreateOptions,
  workspaceId: string,
): Promise<EndedTurn | null> {
  for await (const { id, author } of session.messages(workspaceId)) {
    if (author.type !== 'user') continue;
    const onText = (text: string): void => {
      if (!options.json) context.out(text);
    };
    if (!options.json) context.out('\n');
    const turn = await followTurn(session, context, { workspaceId, messageId: id, after: 0, onText });
    if (!options.json) context.out('\n');
    return turn;
  }
  return null;
}

function printWorkspace(context: CliContext, options: OutputOptions, workspace: Workspace): void {
  context.out(options.json ? `${jsonText(workspace, 2)}\n` : workspaceDetails(workspace));
}

/** Reads a whole number of 0 or more; commander shows the message. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
