import { Command } from 'commander';
import type { Kind, Scope } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText, oneLine } from '../../render.js';
import { credentialSchema } from '../../wire.js';
import { kindArgument, nameOf, scopeOption } from './options.js';

/** `berth credentials rotate` */
export function rotateCommand(context: CliContext): Command {
  const command = withConnection(new Command('rotate'))
    .description('renew a login now; workspaces go on with the new token')
    .addArgument(kindArgument())
    .addOption(scopeOption())
    .option('--json', 'print the credential as JSON')
    .action(async (kind: Kind, options: OutputOptions & { scope: Scope }) => {
      const { scope } = options;
      const session = await connect(context, options);
      context.progress.glance(`Renewing ${nameOf(kind, scope)}`);
      const path = session.path('credentials', scope, kind);
      const renewed = await session.api.change('POST', `${path}/rotate`, credentialSchema);
      context.progress.clear();
      context.out(
        options.json
          ? `${jsonText(renewed, 2)}\n`
          : `${oneLine(`Renewed ${nameOf(kind, scope)}: generation ${renewed.generation ?? '?'}, ${renewed.hint ?? ''}`)}\n`,
      );
    });
  return withExamples(command, 'berth credentials rotate claude_oauth');
}
