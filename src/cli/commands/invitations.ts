import { Command, Option } from 'commander';
import { roleSchema, type Role } from '../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { listCommandOf } from '../listing.js';
import { jsonText, oneLine, printable, timeText } from '../render.js';
import { invitationSchema, newInvitationSchema } from '../wire.js';
import { acceptCommand } from './accept-invitation.js';

/** `berth invitations` */
export function invitationsCommand(context: CliContext): Command {
  const list = listCommandOf(context, {
    description: 'list the open invitations (admins); never their links',
    path: 'invitations',
    item: invitationSchema,
    heading: ['ID', 'EMAIL', 'ROLE', 'EXPIRES'],
    row: ({ id, email, role, expiresAt }) => [id, email, role, timeText(expiresAt)],
    empty: 'No invitation is open.',
    example: 'berth invitations list',
  });
  const group = new Command('invitations').description('ask people into the organization, by a link');
  const commands = [createCommand(context), acceptCommand(context), list, revokeCommand(context)];
  for (const command of commands) group.addCommand(command);
  return group;
}

function createCommand(context: CliContext): Command {
  const command = withConnection(new Command('create'))
    .description(
      'make a link by which somebody becomes a member (admins); it is printed this once, and for you to hand on',
    )
    .argument('<email>', 'whose link it is')
    .addOption(
      new Option('--role <role>', 'as what').choices(roleSchema.options).default('member' satisfies Role),
    )
    .option('--json', 'print it as JSON')
    .action(async (email: string, options: OutputOptions & { role: Role }) => {
      const session = await connect(context, options);
      const body = { email, role: options.role };
      const made = await session.api.change('POST', session.path('invitations'), newInvitationSchema, {
        body,
      });
      context.out(options.json ? `${jsonText(made, 2)}\n` : `${printable(made.url)}\n`);
      context.progress.note(`berth: The link is good for one person, until ${timeText(made.expiresAt)}.`);
    });
  return withExamples(command, 'berth invitations create grace@example.com --role admin');
}

function revokeCommand(context: CliContext): Command {
  const command = withConnection(new Command('revoke'))
    .alias('delete')
    .description('take an invitation back; its link stops working at once')
    .argument('<id>', 'its id, as "berth invitations list" shows it')
    .option('--json', 'print what was revoked as JSON')
    .action(async (id: string, options: OutputOptions) => {
      const session = await connect(context, options);
      await session.api.command('DELETE', session.path('invitations', id));
      context.out(
        options.json ? `${jsonText({ id, revoked: true })}\n` : `Revoked the invitation ${oneLine(id)}.\n`,
      );
    });
  return withExamples(command, 'berth invitations revoke 019a3c5e-6d2f-7c41-9b1e-2f4f1f0c22aa');
}
