import { Command, Option } from 'commander';
import { agentSchema, providerSchema, type Agent, type Provider } from '../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError, QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { listCommandOf } from '../listing.js';
import { facts, jsonText } from '../render.js';
import { mappingSchema, type Mapping } from '../wire.js';

/** `berth mappings` */
export function mappingsCommand(context: CliContext): Command {
  const group = new Command('mappings').description('to which repositories work from Linear goes');
  const list = listCommandOf(context, {
    description: 'list which repositories work for Linear teams goes to',
    path: 'mappings',
    item: mappingSchema,
    heading: ['ID', 'TEAM', 'PROJECT', 'LABEL', 'REPOSITORY', 'BRANCH', 'ENABLED'],
    row: ({ id, linearTeamKey, linearProject, label, repository, branch, enabled }) => [
      id,
      linearTeamKey,
      linearProject ?? '-',
      label ?? '-',
      repository,
      branch ?? '-',
      enabled ? 'yes' : 'no',
    ],
    empty: 'There is no mapping. "berth mappings create" makes one.',
    example: 'berth mappings list',
  });
  group.addCommand(list);
  for (const command of [createCommand, showCommand, updateCommand, deleteCommand])
    group.addCommand(command(context));
  return group;
}

/** What can be taken away again, by the word that people use for it. */
const takeable = {
  project: 'linearProject',
  label: 'label',
  branch: 'branch',
  agent: 'agent',
  model: 'model',
} as const;
type Takeable = keyof typeof takeable;

interface Settings {
  team?: string;
  project?: string;
  label?: string;
  repository?: string;
  branch?: string;
  agent?: Agent;
  provider?: Provider;
  awsRegion?: string;
  model?: string;
}

function withSettings(command: Command): Command {
  return command
    .option('--project <name>', 'only issues of this project')
    .option('--label <name>', 'only issues with this label')
    .option('--branch <branch>', "where work begins (default: the repository's own default branch)")
    .addOption(new Option('--agent <agent>', 'which agent').choices(agentSchema.options))
    .option('--model <model>', 'which model, where WORKFLOW.md names none')
    .addOption(new Option('--provider <provider>', 'whom Claude asks first').choices(providerSchema.options))
    .option('--aws-region <region>', 'where Bedrock is asked')
    .option('--json', 'print it as JSON');
}

/** The body of the API; what was not said is left out. */
function bodyOf(settings: Settings): Partial<Mapping> {
  const { team, project, label, repository, branch, agent, provider, awsRegion, model } = settings;
  const all = { linearTeamKey: team, linearProject: project, label, repository, branch, agent, provider };
  return Object.fromEntries(
    Object.entries({ ...all, awsRegion, model }).filter(([, value]) => value !== undefined),
  );
}

function createCommand(context: CliContext): Command {
  const command = withSettings(
    withConnection(new Command('create'))
      .description('send work for a Linear team to a repository (admins)')
      .requiredOption('--team <key>', 'key of the team, as ENG of ENG-12')
      .requiredOption('--repository <repository>', 'owner/name, or an https git URL')
      .option('--disabled', 'not yet'),
  ).action(async (options: OutputOptions & Settings & { disabled?: true }) => {
    const session = await connect(context, options);
    const body = { ...bodyOf(options), enabled: !options.disabled };
    print(
      context,
      options,
      await session.api.change('POST', session.path('mappings'), mappingSchema, { body }),
    );
  });
  return withExamples(
    command,
    'berth mappings create --team ENG --repository acme/site',
    'berth mappings create --team ENG --label infra --repository acme/infra --agent claude --provider bedrock --aws-region us-east-1',
  );
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show a mapping')
    .argument('<id>', 'its id, as "berth mappings list" shows it')
    .option('--json', 'print it as JSON')
    .action(async (id: string, options: OutputOptions) => {
      const session = await connect(context, options);
      print(context, options, await session.api.get(session.path('mappings', id), mappingSchema));
    });
  return withExamples(command, 'berth mappings show 019ac3f2-5a10-7c31-9e05-3f1b5c2d7a61');
}

interface UpdateOptions extends OutputOptions, Settings {
  without?: Takeable[];
  enable?: true;
  disable?: true;
}

function updateCommand(context: CliContext): Command {
  const without = new Option('--without <what...>', 'take these settings away');
  const command = withSettings(
    withConnection(new Command('update'))
      .description('change a mapping (admins); workspaces that are there stay as they are')
      .argument('<id>', 'its id, as "berth mappings list" shows it')
      .option('--team <key>', 'key of the team, as ENG of ENG-12')
      .option('--repository <repository>', 'owner/name, or an https git URL')
      .addOption(without.choices(Object.keys(takeable)))
      .addOption(new Option('--enable', 'use it').conflicts('disable'))
      .option('--disable', 'keep it, and do not use it'),
  ).action((id: string, options: UpdateOptions) => update(context, id, options));
  return withExamples(
    command,
    'berth mappings update 019ac3f2-5a10-7c31-9e05-3f1b5c2d7a61 --branch develop --without label',
    'berth mappings update 019ac3f2-5a10-7c31-9e05-3f1b5c2d7a61 --disable',
  );
}

async function update(context: CliContext, id: string, options: UpdateOptions): Promise<void> {
  const { without = [], enable, disable } = options;
  const said: Partial<Mapping> = {
    ...bodyOf(options),
    ...Object.fromEntries(without.map((word) => [takeable[word], null])),
    ...(enable || disable ? { enabled: enable === true } : {}),
  };
  if (Object.keys(said).length === 0) throw new CliError(exitCodes.usage, 'Say what is to be changed.');
  const session = await connect(context, options);
  const path = session.path('mappings', id);
  print(context, options, await session.api.change('PATCH', path, mappingSchema, { body: said }));
}

function deleteCommand(context: CliContext): Command {
  const command = withConnection(new Command('delete'))
    .alias('rm')
    .description('remove a mapping (admins); workspaces that are there stay as they are')
    .argument('<id>', 'its id, as "berth mappings list" shows it')
    .option('-y, --yes', 'do not ask (a script is not asked anyway)')
    .option('--json', 'print what was removed as JSON')
    .action(async (id: string, options: OutputOptions & { yes?: true }) => {
      const session = await connect(context, options);
      if (!options.yes && context.prompts !== null && !(await context.prompts.confirm('Remove it?'))) {
        context.err('Nothing was removed.\n');
        throw new QuietExit(exitCodes.failed);
      }
      await session.api.command('DELETE', session.path('mappings', id));
      context.out(options.json ? `${jsonText({ id, deleted: true })}\n` : 'Removed the mapping.\n');
    });
  return withExamples(command, 'berth mappings delete 019ac3f2-5a10-7c31-9e05-3f1b5c2d7a61');
}

function print(context: CliContext, options: OutputOptions, mapping: Mapping): void {
  if (options.json) return context.out(`${jsonText(mapping, 2)}\n`);
  context.out(
    facts([
      ['id', mapping.id],
      ['team', mapping.linearTeamKey],
      ['project', mapping.linearProject],
      ['label', mapping.label],
      ['repository', mapping.repository],
      ['branch', mapping.branch],
      ['agent', mapping.agent],
      ['model', mapping.model],
      ['provider', [mapping.provider, mapping.awsRegion].filter(Boolean).join(', ')],
      ['enabled', mapping.enabled ? 'yes' : 'no'],
    ]),
  );
}
