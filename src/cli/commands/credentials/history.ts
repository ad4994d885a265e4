import { Command } from 'commander';
import type { Kind, Scope } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText, table, timeText } from '../../render.js';
import { rotationSchema, type Rotation } from '../../wire.js';
import { kindArgument, scopeOption } from './options.js';

/** `berth credentials history` */
export function historyCommand(context: CliContext): Command {
  const command = withConnection(new Command('history'))
    .description('list the renewals of a credential, the newest first')
    .addArgument(kindArgument())
    .addOption(scopeOption())
    .option('--json', 'print them as a JSON array')
    .action(async (kind: Kind, options: OutputOptions & { scope: Scope }) => {
      const session = await connect(context, options);
      const path = `${session.path('credentials', options.scope, kind)}/rotations`;
      const rotations: Rotation[] = [];
      for await (const entry of session.api.list(path, rotationSchema)) rotations.push(entry);
      context.out(options.json ? `${jsonText(rotations, 2)}\n` : rotationTable(rotations));
    });
  return withExamples(command, 'berth credentials history claude_oauth');
}

function rotationTable(rotations: Rotation[]): string {
  if (rotations.length === 0) return 'It was not renewed yet.\n';
  return table(
    ['STARTED', 'GENERATION', 'WHY', 'OUTCOME', 'MESSAGE'],
    rotations.map(({ startedAt, generation, nextGeneration, reason, state, message }) => [
      timeText(startedAt),
      nextGeneration ? `${generation} -> ${nextGeneration}` : String(generation),
      reason,
      state,
      message ?? '-',
    ]),
  );
}
