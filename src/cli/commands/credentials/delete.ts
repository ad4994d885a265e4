import { Command } from 'commander';
import type { Kind, Scope } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { QuietExit } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText } from '../../render.js';
import { nameOf, scopeOption, setKindArgument } from './options.js';

interface DeleteOptions extends OutputOptions {
  scope: Scope;
  yes?: true;
}

/** `berth credentials delete` */
export function deleteCommand(context: CliContext): Command {
  const command = withConnection(new Command('delete'))
    .alias('rm')
    .description('remove a credential; workspaces go on with the next one, if there is one')
    .addArgument(setKindArgument())
    .addOption(scopeOption())
    .option('-y, --yes', 'do not ask (a script is not asked anyway)')
    .option('--json', 'print what was removed as JSON')
    .action((kind: Kind, options: DeleteOptions) => remove(context, kind, options));
  return withExamples(
    command,
    'berth credentials delete anthropic_api_key',
    'berth credentials delete openai_api_key --scope organization --yes',
  );
}

async function remove(context: CliContext, kind: Kind, options: DeleteOptions): Promise<void> {
  const { scope } = options;
  const session = await connect(context, options);
  if (!options.yes && context.prompts !== null) {
    if (!(await context.prompts.confirm(`Remove ${nameOf(kind, scope)}?`))) {
      context.err('Nothing was removed.\n');
      throw new QuietExit(1);
    }
  }
  await session.api.command('DELETE', session.path('credentials', scope, kind));
  context.out(
    options.json ? `${jsonText({ kind, scope, deleted: true })}\n` : `Removed ${nameOf(kind, scope)}.\n`,
  );
}
