import { Command } from 'commander';
import type { Scope, SetKind } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { fieldsOfText, kindFields, type Field } from '../../credential-fields.js';
import { exitCodes } from '../../exit-codes.js';
import { CliError } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText, oneLine } from '../../render.js';
import { givenSecret, withSecretFile } from '../../secret-input.js';
import { storedCredentialSchema } from '../../wire.js';
import { nameOf, scopeOption, setKindArgument } from './options.js';

interface SetOptions extends OutputOptions {
  scope: Scope;
  fromFile?: string;
  accessKeyId?: string;
  region?: string;
  host?: string;
  fallback: boolean;
}

/** `berth credentials set` */
export function setCommand(context: CliContext): Command {
  const command = withSecretFile(withConnection(new Command('set')), 'the secret')
    .description('store a credential, or replace it')
    .addArgument(setKindArgument())
    .addOption(scopeOption())
    .option('--access-key-id <id>', 'aws_bedrock: the access key id')
    .option('--region <region>', 'aws_bedrock: the region')
    .option('--host <host>', 'git_token: the git host, such as github.com')
    .option('--no-fallback', 'use it only when it is the first choice, never after another one was refused')
    .option('--json', 'print what is stored as JSON, without the secret')
    .action((kind: SetKind, options: SetOptions) => set(context, kind, options));
  command.addHelpText(
    'after',
    '\nThe secret is asked for, or read from standard input or a file. It is never an argument: every user of a machine can read those.\n' +
      'What has several parts (anthropic_wif, a login to import, aws_bedrock with a session token) is read as one object of JSON; docs/logins.md has the\n' +
      'names. What "aws configure export-credentials" prints is understood.',
  );
  return withExamples(
    command,
    'berth credentials set anthropic_api_key',
    'berth credentials set openai_api_key --scope organization < key.txt',
    'berth credentials set git_token --host github.com',
    'aws configure export-credentials | berth credentials set aws_bedrock --region us-east-1',
    'berth credentials set anthropic_wif --scope organization --from-file rule.json',
  );
}

async function set(context: CliContext, kind: SetKind, options: SetOptions): Promise<void> {
  const given = flagsOf(kind, options);
  const text = await givenSecret(context, `the ${kindFields[kind].title}`, options.fromFile);
  const fields = {
    ...(text === null ? await asked(context, kind, given) : fieldsOfText(kind, text)),
    ...given,
  };
  const missing = kindFields[kind].fields.filter(({ name, optional }) => !optional && !fields[name]);
  if (missing.length > 0)
    throw new CliError(exitCodes.usage, 'Something is missing:', howToGive(kind, missing));
  const session = await connect(context, options);
  const body = { ...fields, ...(options.fallback ? {} : { fallback: false }) };
  const path = session.path('credentials', options.scope, kind);
  const stored = await session.api.change('PUT', path, storedCredentialSchema, { body });
  if (stored.notice) context.progress.note(`\n${oneLine(stored.notice)}\n`);
  context.out(
    options.json
      ? `${jsonText(stored, 2)}\n`
      : oneLine(`Stored ${nameOf(kind, options.scope)}: ${stored.hint ?? ''}`) + '\n',
  );
}

/** Options of the parts that have one; the others stand in an object of JSON beside the secret. */
const partOptions: Record<string, string> = {
  accessKeyId: '--access-key-id',
  region: '--region',
  host: '--host',
};

function howToGive(kind: SetKind, missing: Field[]): string[] {
  const lines = missing.map(({ name, question }) => `${question}: ${partOptions[name] ?? `"${name}"`}`);
  if (missing.every(({ name }) => partOptions[name] !== undefined)) return lines;
  const parts = kindFields[kind].fields.filter(({ name, optional }) => !optional && !partOptions[name]);
  const whole = parts.map(({ name }) => `"${name}": "…"`).join(', ');
  return [...lines, `Give one object of JSON in the file or on standard input: {${whole}}`];
}

/** What stands on the command line and is no secret. Throws CliError for an option that the kind does not have. */
function flagsOf(kind: SetKind, { accessKeyId, region, host, fallback }: SetOptions): Record<string, string> {
  const { fields, fallback: mayFallBack } = kindFields[kind];
  const flags = Object.entries({ accessKeyId, region, host }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const wrong = flags.filter(([name]) => !fields.some((field) => field.name === name)).map(([name]) => name);
  if (!fallback && !mayFallBack) wrong.push('fallback');
  if (wrong.length > 0)
    throw new CliError(exitCodes.usage, `${kind} has no option for ${wrong.join(' and ')}.`);
  return Object.fromEntries(flags);
}

/** Asks for what was not given. */
async function asked(
  context: CliContext,
  kind: SetKind,
  given: Record<string, string>,
): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const { name, question, secret } of kindFields[kind].fields) {
    if (given[name] !== undefined || context.prompts === null) continue;
    const answer = secret ? await context.prompts.askHidden(question) : await context.prompts.ask(question);
    if (answer.trim() !== '') answers[name] = answer.trim();
  }
  return answers;
}
