import { Argument, Command } from 'commander';
import type { Kind, Scope } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { exitCodes } from '../../exit-codes.js';
import { CliError, RefusedError } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText, oneLine } from '../../render.js';
import { givenSecret } from '../../secret-input.js';
import type { Session } from '../../session.js';
import {
  authorizationSchema,
  authorizationStatusSchema,
  credentialSchema,
  type Authorization,
  type Credential,
} from '../../wire.js';
import { nameOf, scopeOption } from './options.js';

interface ConnectOptions extends OutputOptions {
  scope: Scope;
  code?: string;
}

/** One login to connect. */
interface Login {
  session: Session;
  kind: Kind;
  scope: Scope;
}

const logins = ['claude_oauth', 'openai_oauth'] satisfies Kind[];
const POLL_MILLISECONDS = 2_000;
/** Pastes that are only a part are common: a page in two lines, a terminal that cuts. */
const TRIES = 3;

/** `berth credentials connect` */
export function connectCommand(context: CliContext): Command {
  const command = withConnection(new Command('connect'))
    .description('sign in to Claude or ChatGPT, and let Berth keep the login alive')
    .addArgument(new Argument('<kind>', 'kind of the login').choices(logins))
    .addOption(scopeOption())
    .option('--code <path>', 'the code for a link shown before, from a file; "-" is standard input')
    .option('--json', 'print the link as JSON and end; with --code, what is stored')
    .action((kind: Kind, options: ConnectOptions) => run(context, kind, options));
  command.addHelpText(
    'after',
    '\nNothing is opened: open the link in any browser, on any machine. Claude shows a code to paste here; ChatGPT asks for the code that is shown here.\n' +
      'What the terms of each expect stands in docs/logins.md; an API key, AWS Bedrock or workload identity is the recommended way.',
  );
  return withExamples(
    command,
    'berth credentials connect claude_oauth',
    'berth credentials connect openai_oauth',
    'berth credentials connect claude_oauth --json   # then, with what the page shows:',
    'berth credentials connect claude_oauth --code - < code.txt',
  );
}

async function run(context: CliContext, kind: Kind, options: ConnectOptions): Promise<void> {
  const login = { session: await connect(context, options), kind, scope: options.scope };
  if (options.code !== undefined) {
    const code = (await givenSecret(context, 'the code', options.code)) ?? '';
    sayConnected(context, login, await complete(login, code), options);
    return;
  }
  const begun = await login.session.api.change('POST', pathOf(login), authorizationSchema);
  if (options.json) {
    context.out(`${jsonText(begun, 2)}\n`);
    return;
  }
  context.progress.note(`\n${oneLine(begun.notice ?? '')}\n`);
  sayConnected(context, login, await finish(context, login, begun), options);
}

async function finish(context: CliContext, login: Login, begun: Authorization): Promise<Credential> {
  const { progress } = context;
  if (begun.method === 'device') {
    progress.note(`Open ${oneLine(begun.verificationUrl)} and type:\n\n  ${oneLine(begun.userCode)}\n`);
    return typed(context, login);
  }
  progress.note(
    `Open this link, agree, and copy the code that the page shows:\n\n${oneLine(begun.authorizationUrl)}\n`,
  );
  return pasted(context, login);
}

/** Asks for the code, which is not shown: a wrapped line in a terminal looks like two, and a code is a secret until it has served. */
async function pasted(context: CliContext, login: Login): Promise<Credential> {
  const { prompts } = context;
  if (prompts === null) return complete(login, (await givenSecret(context, 'the code', '-')) ?? '');
  for (let tries = 1; ; tries += 1) {
    const code = await prompts.askHidden('Code from the page (not shown)');
    try {
      return await complete(login, code);
    } catch (error) {
      const isAboutPaste = error instanceof RefusedError && error.status === 422;
      if (!isAboutPaste || tries === TRIES) throw error;
      context.progress.note(
        `The code ${error.details.map((line) => oneLine(line.replace(/^body\.code:? /, ''))).join('; ')}.`,
      );
    }
  }
}

function complete(login: Login, code: string): Promise<Credential> {
  return login.session.api.change('POST', `${pathOf(login)}/complete`, credentialSchema, { body: { code } });
}

/** Waits until the code was typed at the page. */
async function typed(context: CliContext, login: Login): Promise<Credential> {
  for (;;) {
    const { state, message } = await login.session.api.get(pathOf(login), authorizationStatusSchema);
    if (state === 'connected') return stored(login);
    if (state !== 'pending')
      throw new CliError(exitCodes.conflict, oneLine(message), [], { code: `login-${state}` });
    // Also what keeps Berth from asking, which is no matter of who waits here.
    context.progress.wait(oneLine(message).replace(/\.$/, ''));
    await context.sleep(POLL_MILLISECONDS, context.signal);
  }
}

async function stored({ session, kind, scope }: Login): Promise<Credential> {
  for await (const entry of session.api.list(session.path('credentials'), credentialSchema))
    if (entry.kind === kind && entry.scope === scope) return entry;
  throw new CliError(exitCodes.notFound, `${nameOf(kind, scope)} was connected, and is gone again.`);
}

function sayConnected(
  context: CliContext,
  { kind, scope }: Login,
  credential: Credential,
  options: ConnectOptions,
): void {
  context.progress.clear();
  const of = [credential.account?.email, credential.account?.plan].filter(Boolean).join(', ');
  const until = credential.loginEndsAt ? `; Claude ends it on ${credential.loginEndsAt.slice(0, 10)}` : '';
  context.out(
    options.json
      ? `${jsonText(credential, 2)}\n`
      : `${oneLine(`Connected ${nameOf(kind, scope)}: ${of || (credential.hint ?? '')}${until}`)}\n`,
  );
}

function pathOf({ session, kind, scope }: Login): string {
  return session.path('credentials', scope, kind, 'authorization');
}
