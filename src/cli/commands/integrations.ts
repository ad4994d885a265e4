import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine } from '../render.js';
import { githubCommand } from './integrations-github.js';
import { linearIntegrationSchema, linkSchema, type LinearIntegration } from '../wire.js';

/** `berth integrations`: where people ask for work, and are answered. */
export function integrationsCommand(context: CliContext): Command {
  const group = new Command('integrations').description('other systems where people ask for work');
  for (const command of [githubCommand(context), linearCommand(context)]) group.addCommand(command);
  return group;
}

function linearCommand(context: CliContext): Command {
  const group = new Command('linear').description('issues of Linear');
  for (const command of [showCommand(context), connectCommand(context), disconnectCommand(context)])
    group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show to which Linear organization this one is connected')
    .option('--json', 'print it as JSON')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const shown = await session.api.get(session.path('integrations', 'linear'), linearIntegrationSchema);
      context.out(options.json ? `${jsonText(shown, 2)}\n` : said(shown));
    });
  return withExamples(command, 'berth integrations linear show');
}

function connectCommand(context: CliContext): Command {
  const command = withConnection(new Command('connect'))
    .description('print a link for an admin of the Linear organization, which connects it (admins)')
    .option('--json', 'print the link as JSON')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const begun = await session.api.change(
        'POST',
        session.path('integrations', 'linear', 'connect'),
        linkSchema,
      );
      if (options.json) context.out(`${jsonText(begun, 2)}\n`);
      else {
        context.err('Open this within a quarter of an hour, signed in to Linear as an admin:\n');
        context.out(`${oneLine(begun.url)}\n`);
      }
    });
  return withExamples(command, 'berth integrations linear connect');
}

function disconnectCommand(context: CliContext): Command {
  const command = withConnection(new Command('disconnect'))
    .description('end the login at Linear, and forget it (admins)')
    .option('--yes', 'do not ask')
    .option('--json', 'print what was done as JSON')
    .action(async (options: OutputOptions & { yes?: true }) => {
      const session = await connect(context, options);
      if (!options.yes && context.prompts !== null) {
        if (!(await context.prompts.confirm('Disconnect Linear? Nothing can be asked for there then.'))) {
          context.err('Nothing was disconnected.\n');
          throw new QuietExit(1);
        }
      }
      await session.api.command('DELETE', session.path('integrations', 'linear'));
      context.out(
        options.json ? `${jsonText({ system: 'linear', disconnected: true })}\n` : 'Disconnected Linear.\n',
      );
    });
  return withExamples(command, 'berth integrations linear disconnect --yes');
}

function said({ isConfigured, connection, webhookUrl, redirectUrl }: LinearIntegration): string {
  if (connection) {
    const { linearOrganization, appUser, status, lastError } = connection;
    const trouble = status === 'rejected' ? `; connect it again (${lastError ?? 'its login was ended'})` : '';
    return `${oneLine(`Connected to ${linearOrganization.name}, as ${appUser.name}${trouble}`)}\n`;
  }
  if (isConfigured) return 'Not connected. An admin connects it: berth integrations linear connect\n';
  return (
    `${oneLine('This Berth has no app at Linear. Make one there, with these addresses, and set LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET and LINEAR_WEBHOOK_SECRET:')}\n` +
    `  callback ${oneLine(redirectUrl)}\n  webhooks ${oneLine(webhookUrl)}\n`
  );
}
