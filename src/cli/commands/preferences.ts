import { Command, Option } from 'commander';
import { agentSchema, type Agent } from '../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine } from '../render.js';
import type { Session } from '../session.js';
import { preferencesSchema, type Preferences } from '../wire.js';

/** `berth preferences` */
export function preferencesCommand(context: CliContext): Command {
  const group = new Command('preferences').description('how your work from GitHub and Linear is done');
  for (const command of [showCommand(context), setCommand(context), resetCommand(context)])
    group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show which agent and model you chose')
    .option('--json', 'print them as JSON')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      print(context, options, await session.api.get(session.path('preferences'), preferencesSchema));
    });
  return withExamples(command, 'berth preferences show');
}

interface SetOptions extends OutputOptions {
  agent?: Agent;
  model?: string;
}

function setCommand(context: CliContext): Command {
  const command = withConnection(new Command('set'))
    .description('choose the agent, the model or both; the other stays as it is')
    .addOption(new Option('--agent <agent>', 'which agent').choices(agentSchema.options))
    .option('--model <model>', 'which model')
    .option('--json', 'print them as JSON')
    .action(async (options: SetOptions) => {
      const { agent, model } = options;
      if (agent === undefined && model === undefined)
        throw new CliError(
          exitCodes.usage,
          'Give --agent or --model. "berth preferences reset" takes both back.',
        );
      print(context, options, await change(await connect(context, options), { agent, model }));
    });
  return withExamples(command, 'berth preferences set --agent codex', 'berth preferences set --model opus');
}

function resetCommand(context: CliContext): Command {
  const command = withConnection(new Command('reset'))
    .description('choose nothing: the mapping and WORKFLOW.md of the repository say it again')
    .option('--json', 'print them as JSON')
    .action(async (options: OutputOptions) => {
      print(context, options, await change(await connect(context, options), { agent: null, model: null }));
    });
  return withExamples(command, 'berth preferences reset');
}

/** What is undefined stays as it is. */
function change(
  session: Session,
  body: { agent?: string | null | undefined; model?: string | null | undefined },
): Promise<Preferences> {
  return session.api.change('PATCH', session.path('preferences'), preferencesSchema, { body });
}

function print(context: CliContext, options: OutputOptions, preferences: Preferences): void {
  const { agent, model } = preferences;
  if (options.json) context.out(`${jsonText(preferences, 2)}\n`);
  else context.out(`agent  ${oneLine(agent ?? 'no choice')}\nmodel  ${oneLine(model ?? 'no choice')}\n`);
}
