import { Command, Option } from 'commander';
import { agentSchema } from '../../../contracts/agents.js';
import { wholeNumber } from '../../arguments.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import type { NewWorkspace, Session } from '../../session.js';
import { followTurn, throwUnlessCompleted, type EndedTurn } from '../../turn.js';
import { waitForState } from '../../workspace-state.js';
import { printWorkspace } from './show.js';

interface CreateOptions extends OutputOptions, NewWorkspace {
  wait?: true;
}

/** `berth workspaces create` */
export function createCommand(context: CliContext): Command {
  const command = withConnection(new Command('create'))
    .description('make a workspace')
    .requiredOption(
      '--repository <repository>',
      'owner/name, an https git URL, or a file:// URL on the same machine',
    )
    .option('--ref <ref>', "branch, tag or commit to start from (default: the repository's default branch)")
    .addOption(new Option('--agent <agent>', 'which agent').choices(agentSchema.options))
    .option('--model <model>', "which model (default: the agent's configured one)")
    .option('--message <text>', 'the first message to the agent; "-" reads it from standard input')
    .option('--name <name>', 'a name to know it by')
    .option('--idle-timeout-minutes <minutes>', 'hibernate after so long without activity', wholeNumber)
    .option('--wait', 'wait until it runs, and for the answer when there is a message')
    .option('--json', 'print the workspace as JSON')
    .action((options: CreateOptions) => create(context, options));
  return withExamples(
    command,
    'berth workspaces create --repository acme/site --wait',
    "berth workspaces create --repository acme/site --agent codex --message 'run the tests' --wait",
  );
}

async function create(context: CliContext, options: CreateOptions): Promise<void> {
  const { repository, ref, agent, model, name, idleTimeoutMinutes } = options;
  const message = options.message === '-' ? await context.readInput() : options.message;
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
  const running = await waitForState(session, context, { id: made.id, goal: 'running', after: 0 });
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
