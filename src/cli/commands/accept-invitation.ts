import { Command } from 'commander';
import { acceptInvitationRoute } from '../../contracts/index.js';
import type { ApiClient } from '../api-client.js';
import { wellFormed } from '../arguments.js';
import { clientOf, withAddress } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { readLink } from '../link.js';
import { jsonText, printable } from '../render.js';
import { givenLines, withSecretFile } from '../secret-input.js';
import { keepNewKey } from '../sign-in.js';
import { joinedSchema } from '../wire.js';

interface AcceptOptions {
  url?: string;
  name?: string;
  fromFile?: string;
  signedIn?: true;
  store: boolean;
  json?: true;
}

/** What the holder of a link says. Who is signed in says neither name nor password. */
interface Answers {
  link: string;
  name?: string | undefined;
  password?: string | undefined;
}

/** `berth invitations accept` */
export function acceptCommand(context: CliContext): Command {
  const command = withSecretFile(
    withAddress(new Command('accept')),
    'the link or token, and on the next line the password,',
  )
    .description('become a member, by the link of an invitation')
    .option('--name <name>', 'your name')
    .option('--signed-in', 'as who you are signed in as: without name and password')
    .option('--no-store', 'print the API key instead of keeping it')
    .option('--json', 'print the result as JSON')
    .action((options: AcceptOptions) => accept(context, options));
  command.addHelpText(
    'after',
    '\nWhat is not given is asked for; link and password are read from standard input or a file where nobody can be asked, and never are an argument.\n' +
      'Who has an account with the invited address here gives its password, which stays as it is, or --signed-in.\n' +
      'The API key that comes of it is kept for the other commands, as by "berth login".',
  );
  return withExamples(
    command,
    'berth invitations accept',
    'printf "%s\\n%s\\n" "$LINK" "$PASSWORD" | berth invitations accept --name "Grace Hopper"',
    'echo "$LINK" | berth invitations accept --signed-in',
  );
}

async function accept(context: CliContext, options: AcceptOptions): Promise<void> {
  const { signedIn, store } = options;
  const what = signedIn ? 'the link (or token)' : 'the link (or token), and on the next line the password,';
  const lines = await givenLines(context, what, options.fromFile);
  const { link, name, password } = lines ? given(options, lines) : await asked(context, options);
  const { token, url: linked } = readLink(link);
  const body = wellFormed(acceptInvitationRoute.body, { token, name, password });
  const { url, api } = signedIn
    ? await signedInAt(context, options, linked)
    : await anonymousAt(context, options, linked);
  const made = await api.change('POST', '/api/v1/invitations/accept', joinedSchema, { body });
  const { apiKey, ...rest } = made;
  const organization = made.organization.slug;
  const stored = store ? await keepNewKey(context, { url, apiKey, organization }) : null;
  if (options.json) {
    context.out(`${jsonText({ ...rest, url, ...(stored === null ? { apiKey } : { stored }) }, 2)}\n`);
    return;
  }
  context.out(printable(`You are a member of ${made.organization.name} at ${url}, as ${made.user.email}.\n`));
  context.out(stored === null ? `${apiKey}\n` : `Your API key is kept in ${stored}.\n`);
}

interface Connected {
  url: string;
  api: ApiClient;
}

async function anonymousAt(
  context: CliContext,
  { url: flag }: AcceptOptions,
  linked: string | null,
): Promise<Connected> {
  const url = await context.address({ url: flag ?? linked ?? undefined });
  return { url, api: clientOf(context, url, null) };
}

/** Somebody else made the link: where it leads must not receive the API key of who pastes it. */
async function signedInAt(
  context: CliContext,
  { url: flag }: AcceptOptions,
  linked: string | null,
): Promise<Connected> {
  const { url, apiKey } = await context.connection({ url: flag });
  if (linked === null || linked === url) return { url, api: clientOf(context, url, apiKey) };
  throw new CliError(
    exitCodes.usage,
    `The link is of ${linked}, and you are signed in at ${url}. If both are the same Berth, give only the token of the link.`,
  );
}

function given({ name, signedIn }: AcceptOptions, [link = '', password = '']: string[]): Answers {
  if (signedIn) return { link };
  if (name !== undefined) return { link, name, password };
  throw new CliError(
    exitCodes.usage,
    'Where link and password are read nobody is asked. Give --name too, or --signed-in.',
  );
}

async function asked({ prompts }: CliContext, { name, signedIn }: AcceptOptions): Promise<Answers> {
  if (prompts === null) throw new CliError(exitCodes.usage, 'There is no terminal to ask on.');
  const link = await prompts.ask('Link (or token) of the invitation');
  if (signedIn) return { link };
  const answers = {
    link,
    name: name ?? (await prompts.ask('Your name')),
    password: await prompts.askHidden(
      'Password: that of your account here, or a new one (at least 12 characters)',
    ),
  };
  if (answers.password === (await prompts.askHidden('The same password again'))) return answers;
  throw new CliError(exitCodes.usage, 'The two passwords differ. Nothing was accepted.');
}
