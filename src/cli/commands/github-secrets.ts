import { Argument, Command } from 'commander';
import { connectToBerth, withAddress, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine, timeText } from '../render.js';
import { givenSecret, withSecretFile } from '../secret-input.js';
import { githubAppSchema, type GithubApp } from '../wire.js';

const path = '/api/v1/instance/github-app';

const secrets = {
  'webhook-secret': { field: 'webhookSecret', title: 'the webhook secret' },
  'client-secret': { field: 'clientSecret', title: 'the client secret' },
  'private-key': { field: 'privateKey', title: 'the private key' },
} as const;
type Which = keyof typeof secrets;

interface Options extends OutputOptions {
  fromFile?: string;
  acceptFormer?: string;
}

/** `berth integrations github replace-secret`: of the whole Berth, so no organization is asked for. */
export function replaceSecretCommand(context: CliContext): Command {
  const command = withSecretFile(withAddress(new Command('replace-secret')), 'the new secret')
    .description('replace a secret of the App that this Berth made (instance administrators)')
    .addArgument(new Argument('<which>', 'the secret').choices(Object.keys(secrets)))
    .option(
      '--accept-former <minutes>',
      'take the webhook secret before for so long (60 if not said; 0: somebody else may know it)',
    )
    .option('--json', 'print the App as JSON')
    .action(async (which: Which, options: Options) => {
      const { field, title } = secrets[which];
      const given = (await givenSecret(context, title, options.fromFile)) ?? (await asked(context, which));
      const { acceptFormer } = options;
      const minutes = acceptFormer === undefined ? {} : { acceptFormerMinutes: wholeNumber(acceptFormer) };
      const api = await connectToBerth(context, options);
      const body = { [field]: given, ...minutes };
      const app = await api.change('PATCH', path, githubAppSchema, { body });
      context.out(options.json ? `${jsonText(app, 2)}\n` : said(which, app));
    });
  command.addHelpText(
    'after',
    '\nA private key and a client secret are made in the settings of the App at GitHub first, and deleted there after this. A webhook secret is made up: give it here first, then there.',
  );
  return withExamples(
    command,
    'openssl rand -hex 32 | tee secret | berth integrations github replace-secret webhook-secret',
    'berth integrations github replace-secret private-key --from-file berth.private-key.pem',
  );
}

/** A prompt takes one line, and a key has many. */
async function asked({ prompts }: CliContext, which: Which): Promise<string> {
  if (which === 'private-key' || prompts === null)
    throw new CliError(exitCodes.usage, 'Give the PEM file of the key: --from-file <path>.');
  return prompts.askHidden(`Paste ${secrets[which].title}`);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text))
    throw new CliError(exitCodes.usage, '--accept-former is a number of minutes, at most 1440.');
  return Number(text);
}

function said(which: Which, { slug, formerWebhookSecretsUntil: until }: GithubApp): string {
  const overlap =
    which === 'webhook-secret' && until
      ? ` Deliveries may be signed with the one before until ${timeText(until)}: change it at GitHub by then.`
      : '';
  return `${oneLine(`Replaced ${secrets[which].title} of ${slug}.${overlap}`)}\n`;
}
