import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine } from '../render.js';
import { githubIntegrationSchema, githubLinkSchema, type GithubIntegration } from '../wire.js';
import { replaceSecretCommand } from './github-secrets.js';

/** `berth integrations github`: the App, and where it is installed. */
export function githubCommand(context: CliContext): Command {
  const group = new Command('github').description('pull requests and issues of GitHub');
  for (const command of [
    showCommand(context),
    connectCommand(context),
    disconnectCommand(context),
    replaceSecretCommand(context),
  ])
    group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show where the GitHub App is installed for this organization')
    .option('--json', 'print it as JSON')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const shown = await session.api.get(session.path('integrations', 'github'), githubIntegrationSchema);
      context.out(options.json ? `${jsonText(shown, 2)}\n` : said(shown));
    });
  return withExamples(command, 'berth integrations github show');
}

function connectCommand(context: CliContext): Command {
  const command = withConnection(new Command('connect'))
    .description('print a link for an owner of the account at GitHub, which connects it (admins)')
    .option('--account <login>', 'organization at GitHub that is to own the App, where it is yet to be made')
    .option('--json', 'print the link as JSON')
    .action(async (options: OutputOptions & { account?: string }) => {
      const session = await connect(context, options);
      const query = options.account === undefined ? '' : `?account=${encodeURIComponent(options.account)}`;
      const path = `${session.path('integrations', 'github', 'connect')}${query}`;
      const begun = await session.api.change('POST', path, githubLinkSchema);
      if (options.json) context.out(`${jsonText(begun, 2)}\n`);
      else {
        context.err(
          'Open this within a quarter of an hour, signed in to GitHub as an owner of the account:\n',
        );
        context.out(`${oneLine(begun.url)}\n`);
      }
    });
  return withExamples(
    command,
    'berth integrations github connect',
    'berth integrations github connect --account acme',
  );
}

function disconnectCommand(context: CliContext): Command {
  const command = withConnection(new Command('disconnect'))
    .description('end what was given out for GitHub, and remove the App there (admins)')
    .option('--installation <number>', 'one installation alone')
    .option('--yes', 'do not ask')
    .option('--json', 'print what was done as JSON')
    .action(async (options: OutputOptions & { yes?: true; installation?: string }) => {
      const session = await connect(context, options);
      if (!options.yes && context.prompts !== null) {
        if (!(await context.prompts.confirm('Disconnect GitHub? Nothing can be asked for there then.'))) {
          context.err('Nothing was disconnected.\n');
          throw new QuietExit(1);
        }
      }
      const { installation } = options;
      const query = installation === undefined ? '' : `?installation=${encodeURIComponent(installation)}`;
      await session.api.command('DELETE', `${session.path('integrations', 'github')}${query}`);
      context.out(
        options.json ? `${jsonText({ system: 'github', disconnected: true })}\n` : 'Disconnected GitHub.\n',
      );
    });
  return withExamples(command, 'berth integrations github disconnect --yes');
}

function said({ app, installations }: GithubIntegration): string {
  if (!app)
    return 'This Berth has no App at GitHub yet. Who runs it makes one: berth integrations github connect\n';
  if (installations.length === 0)
    return `${oneLine(`Not connected; the App is ${app.mention}. An admin connects it: berth integrations github connect`)}\n`;
  return installations
    .map(({ id, account, suspendedAt, missingPermissions }) => {
      const missing = (missingPermissions ?? []).join(', ');
      const trouble = suspendedAt
        ? '; suspended at GitHub'
        : missing && `; an owner there has yet to grant ${missing}`;
      return `${oneLine(`Connected to ${account.login}, as ${app.mention} (installation ${id}${trouble})`)}\n`;
    })
    .join('');
}
