import { Command } from 'commander';
import { setupRoute } from '../../contracts/index.js';
import { Secret } from '../../kernel/index.js';
import { clientOf, withAddress } from '../connect.js';
import type { CliContext } from '../context.js';
import { exitCodes } from '../exit-codes.js';
import { CliError, fieldLines } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText, printable } from '../render.js';
import { readSetupLink, slugOf } from '../setup-link.js';
import { keepKey } from '../sign-in.js';
import { apiKeySchema, setupAnswerSchema } from '../wire.js';

interface SetupOptions {
  url?: string;
  organization?: string;
  slug?: string;
  name?: string;
  email?: string;
  stdin?: true;
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
  const command = withAddress(new Command('setup'))
    .description('set up a new Berth: the first organization, and you as its owner')
    .option('--organization <name>', 'name of the organization')
    .option('--slug <slug>', 'its short name in addresses (default: made from the name)')
    .option('--name <name>', 'your name')
    .option('--email <email>', 'your email address')
    .option('--stdin', 'read the link or token, and on the next line the password, from standard input')
    .option('--no-store', 'print the API key instead of keeping it')
    .option('--json', 'print the result as JSON')
    .action((options: SetupOptions) => setup(context, options));
  command.addHelpText(
    'after',
    '\nWhat is not given is asked for. Berth prints the link at its start; BERTH_SETUP_TOKEN can give the token too, and then only the password is read.\n' +
      'The API key that comes of it is kept for the other commands, as by "berth login".',
  );
  return withExamples(
    command,
    'berth setup',
    'printf "%s\\n%s\\n" "$LINK" "$PASSWORD" | berth setup --stdin --organization Acme --name "Ada Lovelace" --email ada@example.com',
  );
}

async function setup(context: CliContext, options: SetupOptions): Promise<void> {
  const answers = options.stdin ? await piped(context, options) : await asked(context, options);
  const { token, organization, slug, name, email, password } = answers;
  const url = answers.url ?? (await context.address({ url: options.url }));
  const body = { token, organization: { name: organization, slug }, user: { name, email, password } };
  const judged = setupRoute.body.safeParse(body);
  if (!judged.success)
    throw new CliError(
      exitCodes.usage,
      'Berth would not take that:',
      fieldLines(
        judged.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
      ),
    );
  // Not repeated after a cut connection: it works once, and says so the second time.
  const made = await clientOf(context, url, null).change('POST', '/api/v1/setup', setupAnswerSchema, {
    body,
    repeatable: false,
  });
  const key = new Secret(made.apiKey);
  const stored = options.store
    ? await keepKey(context, {
        url,
        key,
        organization: made.organization.slug,
        id: await idOf(context, url, key, made.organization.slug),
      })
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

/** The id of the key that set-up made, so that signing out can delete it; null when it cannot be found. */
async function idOf(context: CliContext, url: string, key: Secret, slug: string): Promise<string | null> {
  const api = clientOf(context, url, key);
  try {
    for await (const entry of api.list(`/api/v1/organizations/${slug}/api-keys`, apiKeySchema))
      if (key.reveal().startsWith(entry.prefix)) return entry.id;
  } catch {
    // The key works all the same; signing out will then only forget it.
  }
  return null;
}

async function piped(context: CliContext, options: SetupOptions): Promise<Answers> {
  const lines = (await context.readInput()).split('\n').map((line) => line.replace(/\r$/, ''));
  const link = context.local.setupToken?.reveal() ?? lines.shift() ?? '';
  const { organization, name, email } = options;
  const missing = Object.entries({ '--organization': organization, '--name': name, '--email': email })
    .filter(([, value]) => value === undefined)
    .map(([flag]) => flag);
  if (organization === undefined || name === undefined || email === undefined)
    throw new CliError(exitCodes.usage, `With --stdin nobody is asked. Give ${missing.join(', ')} too.`);
  return {
    ...readSetupLink(link),
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
      'There is no terminal to ask on. Use --stdin, --organization, --name and --email; "berth help setup" shows how.',
    );
  const link = readSetupLink(
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
