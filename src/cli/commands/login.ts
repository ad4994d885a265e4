import { hostname } from 'node:os';
import { Command } from 'commander';
import { withConnection, type ConnectionOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, printable } from '../render.js';
import { givenSecret, withSecretFile } from '../secret-input.js';
import { keepKey, withApiKey, withPassword, type SignedIn } from '../sign-in.js';

interface LoginOptions extends ConnectionOptions {
  email?: string;
  keyName: string;
  fromFile?: string;
  json?: true;
}

/** `berth login` */
export function loginCommand(context: CliContext): Command {
  const command = withSecretFile(
    withConnection(new Command('login')),
    'the API key, or with --email the password,',
  )
    .description('sign in: keep an API key for the other commands')
    .option('--email <email>', 'sign in with a password, which makes a new API key')
    .option('--key-name <name>', 'what to call that key', `berth on ${hostname()}`)
    .option('--json', 'print who you are as JSON')
    .action((options: LoginOptions) => login(context, options));
  command.addHelpText(
    'after',
    '\nKey or password are asked for, or read from standard input or a file; never an argument.\n' +
      `The key is kept in ${context.configFile.path} (mode 0600), and goes to the address it was kept for only.`,
  );
  return withExamples(
    command,
    'berth login',
    'berth login --url https://berth.example.com --email ada@example.com',
    'berth login --url https://berth.example.com < key.txt',
  );
}

async function login(context: CliContext, options: LoginOptions): Promise<void> {
  const url = await context.address({ url: options.url });
  const signedIn = await signIn(context, url, options);
  const { key, id, organization, me } = signedIn;
  const path = await keepKey(context, { url, key, id, organization });
  if (options.json) {
    context.out(`${jsonText({ ...me, url, organization, stored: path }, 2)}\n`);
    return;
  }
  const who = me.user.name ?? me.user.email ?? me.user.id;
  context.out(
    printable(`Signed in to ${url} as ${who}${organization === null ? '' : `, in ${organization}`}.\n`),
  );
  context.out(`The API key is kept in ${path}.\n`);
  if (organization === null)
    context.out('You are in several organizations: name one with --organization or BERTH_ORGANIZATION.\n');
}

async function signIn(context: CliContext, url: string, options: LoginOptions): Promise<SignedIn> {
  const { organization, keyName } = options;
  const what = options.email === undefined ? 'the API key' : 'the password';
  const given = await givenSecret(context, what, options.fromFile);
  if (given !== null)
    return options.email === undefined
      ? withApiKey(context, { url, key: given, organization })
      : withPassword(context, { url, email: options.email, password: given, organization, keyName });
  const { prompts } = context;
  if (prompts === null) throw new CliError(exitCodes.usage, 'There is no terminal to ask on.');
  const email =
    options.email ?? (await prompts.ask(`Email address for ${url} (empty to paste an API key instead)`));
  if (email === '')
    return withApiKey(context, { url, key: (await prompts.askHidden('API key')).trim(), organization });
  const password = await prompts.askHidden('Password');
  return withPassword(context, { url, email, password, organization, keyName });
}
