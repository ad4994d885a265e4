import { Argument, Command } from 'commander';
import { roleSchema, type Role } from '../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { listCommandOf } from '../listing.js';
import { memberOf } from '../member.js';
import { jsonText, oneLine, timeText } from '../render.js';
import { memberSchema } from '../wire.js';

/** `berth members` */
export function membersCommand(context: CliContext): Command {
  const list = listCommandOf(context, {
    description: 'list the members',
    path: 'members',
    item: memberSchema,
    heading: ['ID', 'NAME', 'EMAIL', 'ROLE', 'SINCE'],
    row: ({ id, name, email, role, createdAt }) => [id, name, email, role, timeText(createdAt ?? null)],
    empty: 'There is no member.',
    example: 'berth members list',
  });
  const group = new Command('members').description('who is in the organization');
  for (const command of [list, roleCommand(context), removeCommand(context)]) group.addCommand(command);
  return group;
}

function roleCommand(context: CliContext): Command {
  const command = withConnection(new Command('role'))
    .description("change a member's role; it counts at once")
    .argument('<member>', 'email address or id')
    .addArgument(new Argument('<role>', 'the new role').choices(roleSchema.options))
    .option('--json', 'print the member as JSON')
    .action(async (given: string, role: Role, options: OutputOptions) => {
      const session = await connect(context, options);
      const { id } = await memberOf(session, given);
      const changed = await session.api.change('PATCH', session.path('members', id), memberSchema, {
        body: { role },
      });
      context.out(
        options.json
          ? `${jsonText(changed, 2)}\n`
          : `${oneLine(`${changed.name} is ${changed.role} now.`)}\n`,
      );
    });
  return withExamples(command, 'berth members role grace@example.com admin');
}

function removeCommand(context: CliContext): Command {
  const command = withConnection(new Command('remove'))
    .alias('rm')
    .description('remove a member, or leave: keys, credentials and sessions in the organization end at once')
    .argument('<member>', 'email address or id')
    .option('-y, --yes', 'do not ask (a script is not asked anyway)')
    .option('--json', 'print who was removed as JSON')
    .action(async (given: string, options: OutputOptions & { yes?: true }) => {
      const session = await connect(context, options);
      const member = await memberOf(session, given);
      const who = oneLine(`${member.name} (${member.email})`);
      if (!options.yes && context.prompts !== null && !(await context.prompts.confirm(`Remove ${who}?`))) {
        context.err('Nobody was removed.\n');
        throw new QuietExit(exitCodes.failed);
      }
      await session.api.command('DELETE', session.path('members', member.id));
      context.out(options.json ? `${jsonText({ ...member, removed: true }, 2)}\n` : `Removed ${who}.\n`);
    });
  return withExamples(command, 'berth members remove grace@example.com');
}
