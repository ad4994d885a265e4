import { Argument, Command } from 'commander';
import { externalSystemNames, externalSystemSchema, type ExternalSystem } from '../../contracts/index.js';
import { connect, connectToBerth, withAddress, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine, table } from '../render.js';
import { externalAccountsSchema, linkSchema } from '../wire.js';

const path = '/api/v1/me/external-accounts';

/** `berth accounts`: as whom one asks for work at other systems. */
export function accountsCommand(context: CliContext): Command {
  const group = new Command('accounts').description('your own accounts at GitHub and Linear');
  for (const command of [listCommand(context), connectCommand(context), disconnectCommand(context)])
    group.addCommand(command);
  return group;
}

const systemArgument = (): Argument =>
  new Argument('<system>', 'where the account is').choices(externalSystemSchema.options);

function listCommand(context: CliContext): Command {
  const command = withAddress(new Command('list'))
    .alias('ls')
    .description('list your accounts there, in all your organizations (with an API key: in its own)')
    .option('--json', 'print them as a JSON array')
    .action(async (options: OutputOptions) => {
      const { items } = await (await connectToBerth(context, options)).get(path, externalAccountsSchema);
      if (options.json) return context.out(`${jsonText(items, 2)}\n`);
      const rows = items.map(({ system, handle, externalId, proof, organizationId }) => [
        system,
        handle ?? '-',
        externalId,
        proof,
        organizationId,
      ]);
      context.out(
        rows.length === 0
          ? 'You have no account connected. "berth accounts connect" connects one.\n'
          : table(['SYSTEM', 'NAME', 'ID', 'PROVEN BY', 'ORGANIZATION'], rows),
      );
    });
  return withExamples(command, 'berth accounts list');
}

function connectCommand(context: CliContext): Command {
  const command = withConnection(new Command('connect'))
    .description('print a link that connects your account there, in place of another one of yours')
    .addArgument(systemArgument())
    .option('--json', 'print the link as JSON')
    .action(async (system: ExternalSystem, options: OutputOptions) => {
      const { api, organization } = await connect(context, options);
      const begun = await api.change('POST', `${path}/${system}/connect`, linkSchema, {
        body: { organization },
      });
      if (options.json) return context.out(`${jsonText(begun, 2)}\n`);
      const name = externalSystemNames[system];
      context.err(`Open this within a quarter of an hour, signed in to ${name} as yourself:\n`);
      context.out(`${oneLine(begun.url)}\n`);
    });
  return withExamples(command, 'berth accounts connect github');
}

function disconnectCommand(context: CliContext): Command {
  const command = withConnection(new Command('disconnect'))
    .description('what your account there asks for is not yours any more, until you connect it again')
    .addArgument(systemArgument())
    .option('-y, --yes', 'do not ask (a script is not asked anyway)')
    .option('--json', 'print what was done as JSON')
    .action(async (system: ExternalSystem, options: OutputOptions & { yes?: true }) => {
      const { api, organization } = await connect(context, options);
      const name = externalSystemNames[system];
      if (!options.yes && context.prompts !== null) {
        if (!(await context.prompts.confirm(`Disconnect your account at ${name}?`))) {
          context.err('Nothing was disconnected.\n');
          throw new QuietExit(exitCodes.failed);
        }
      }
      // Only in this organization: somebody in several may have another account there.
      const query = new URLSearchParams({ system, organization }).toString();
      await api.command('DELETE', `${path}?${query}`);
      context.out(
        options.json
          ? `${jsonText({ system, disconnected: true })}\n`
          : `Disconnected your account at ${name}.\n`,
      );
    });
  return withExamples(command, 'berth accounts disconnect github --yes');
}
