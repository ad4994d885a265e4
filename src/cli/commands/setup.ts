import { Command } from 'commander';
import { setupRoute } from '../../contracts/index.js';
import { wellFormed } from '../arguments.js';
import { clientOf, withAddress } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, printable } from '../render.js';
import { readLink, slugOf } from '../link.js';
import { givenLines, withSecretFile } from '../secret-input.js';
import { keepNewKey } from '../sign-in.js';
import { setupAnswerSchema } from '../wire.js';

interface SetupOptions {
  url?: string;
  organization?: string;
  slug?: string;
  name?: string;
  email?: string;
  fromFile?: string;
  store: boolean;
  json?: true;
}

interface Answers {
  token: string;
  url: string | null;
  organization: string;
  slug: string;
  name: string;
  email: string;
  password: string;
}

/** `berth setup` */
export function setupCommand(context: CliContext): Command {
  const command = withSecretFile(
    withAddress(new Command('setup')),
    'the link or token, and on the next line the password,',
  )
    .description('set up a new Berth: the first organization, and you as its owner')
    .option('--organization <name>', 'name of the organization')
    .option('--slug <slug>', 'its short name in addresses (default: made from the name)')
    .option('--name <name>', 'your name')
    .option('--email <email>', 'your email address')
    .option('--no-store', 'print the API key instead of keeping it')
    .option('--json', 'print the result as JSON')
    .action((options: SetupOptions) => setup(context, options));
  command.addHelpText(
    'after',
    '\nWhat is not given is asked for; link and password are read from standard input or a file where nobody can be asked, and never are an argument. Berth prints the link at its start; BERTH_SETUP_TOKEN can give the token too, and then only the password is read.\n' +
      'The API key that comes of it is kept for the other commands, as by "berth login".',
  );
  return withExamples(
    command,
    'berth setup',
    'printf "%s\\n%s\\n" "$LINK" "$PASSWORD" | berth setup --organization Acme --name "Ada Lovelace" --email ada@example.com',
  );
}

async function setup(context: CliContext, options: SetupOptions): Promise<void> {
  const what = context.local.setupToken
    ? 'the password'
    : 'the link (or token), and on the next line the password,';
  const lines = await givenLines(context, what, options.fromFile);
  const answers = lines ? given(context, options, lines) : await asked(context, options);
  const { token, organization, slug, name, email, password } = answers;
  const url = await context.address({ url: options.url ?? answers.url ?? undefined });
  const body = wellFormed(setupRoute.body, {
    token,
    organization: { name: organization, slug },
    user: { name, email, password },
  });
  // Not repeated after a cut connection: it works once, and says so the second time.
  const made = await clientOf(context, url, null).change('POST', '/api/v1/setup', setupAnswerSchema, {
    body,
    repeatable: false,
  });
  const stored = options.store
    ? await keepNewKey(context, { url, apiKey: made.apiKey, organization: made.organization.slug })
    : null;
  if (options.json) {
    const { apiKey, ...rest } = made;
    context.out(`${jsonText({ ...rest, url, ...(stored === null ? { apiKey } : { stored }) }, 2)}\n`);
    return;
  }
  context.out(printable(`Berth at ${url} is set up. You are the owner of ${made.organization.name}.\n`));
  context.out(
    stored === null
      ? `${made.apiKey}\n`
      : `Your API key is kept in ${stored}.\nNext: berth credentials set anthropic_api_key\n`,
  );
}

function given(context: CliContext, options: SetupOptions, lines: string[]): Answers {
  const link = context.local.setupToken?.reveal() ?? lines.shift() ?? '';
  const { organization, name, email } = options;
  const missing = Object.entries({ '--organization': organization, '--name': name, '--email': email })
    .filter(([, value]) => value === undefined)
    .map(([flag]) => flag);
  if (organization === undefined || name === undefined || email === undefined)
    throw new CliError(
      exitCodes.usage,
      `Where link and password are read nobody is asked. Give ${missing.join(', ')} too.`,
    );
  return {
    ...readLink(link),
    organization,
    slug: options.slug ?? slugOf(organization),
    name,
    email,
    password: lines[0] ?? '',
  };
}

async function asked(context: CliContext, options: SetupOptions): Promise<Answers> {
  const { prompts, local } = context;
  if (prompts === null)
    throw new CliError(
      exitCodes.usage,
      'There is no terminal to ask on. Use --from-file, --organization, --name and --email; "berth help setup" shows how.',
    );
  const link = readLink(
    local.setupToken?.reveal() ?? (await prompts.ask('Link (or token) that Berth printed at its start')),
  );
  const organization = options.organization ?? (await prompts.ask('Name of your organization'));
  const slug = options.slug ?? (await prompts.ask('Its short name in addresses', slugOf(organization)));
  const name = options.name ?? (await prompts.ask('Your name'));
  const email = options.email ?? (await prompts.ask('Your email address'));
  const password = await prompts.askHidden('Choose a password (at least 12 characters)');
  if (password !== (await prompts.askHidden('The same password again')))
    throw new CliError(exitCodes.usage, 'The two passwords differ. Nothing was set up.');
  return { ...link, organization, slug, name, email, password };
}
