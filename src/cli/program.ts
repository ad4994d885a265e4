import { Command } from 'commander';
import { accountsCommand } from './commands/accounts.js';
import { agentsCommand } from './commands/agents.js';
import { apiKeysCommand } from './commands/api-keys.js';
import { auditCommand } from './commands/audit.js';
import { completeCommand, completionCommand } from './commands/completion.js';
import { credentialsCommand } from './commands/credentials.js';
import { conversationsCommand, deliveriesCommand } from './commands/deliveries.js';
import { doctorCommand } from './commands/doctor.js';
import { egressCommand } from './commands/egress.js';
import { ExitCodesCommand } from './commands/exit-codes.js';
import { integrationsCommand } from './commands/integrations.js';
import { invitationsCommand } from './commands/invitations.js';
import { keysCommand } from './commands/keys.js';
import { limitsCommand } from './commands/limits.js';
import { loginCommand } from './commands/login.js';
import { logoutCommand } from './commands/logout.js';
import { mappingsCommand } from './commands/mappings.js';
import { membersCommand } from './commands/members.js';
import { preferencesCommand } from './commands/preferences.js';
import { setupCommand } from './commands/setup.js';
import { startCommand } from './commands/start.js';
import { usageCommand } from './commands/usage.js';
import { workspacesCommand } from './commands/workspaces.js';
import type { CliContext, CliWorld } from './context.js';
import { exitCodes } from './exit-codes.js';
import { describeFailure, failureJson } from './failure.js';
import { silentProgress } from './progress.js';

/** The whole `berth` command. Each group is one file of `commands/`; a new one is one more line here. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('berth')
    .description('Self-hosted control plane for coding-agent workspaces')
    .configureOutput({
      writeOut: context.out,
      writeErr: context.json ? () => undefined : context.err,
    })
    .showHelpAfterError('Run with --help for what is possible.')
    .exitOverride();
  const commands = [
    startCommand(context),
    setupCommand(context),
    loginCommand(context),
    logoutCommand(context),
    workspacesCommand(context),
    credentialsCommand(context),
    membersCommand(context),
    invitationsCommand(context),
    apiKeysCommand(context),
    integrationsCommand(context),
    mappingsCommand(context),
    accountsCommand(context),
    preferencesCommand(context),
    deliveriesCommand(context),
    conversationsCommand(context),
    limitsCommand(context),
    egressCommand(context),
    usageCommand(context),
    auditCommand(context),
    keysCommand(context),
    agentsCommand(context),
    doctorCommand(context),
    completionCommand(context),
    new ExitCodesCommand(context),
  ];
  for (const command of commands) program.addCommand(command);
  program.addCommand(completeCommand(context, program), { hidden: true });
  program.addHelpText('after', '\n"berth help <command>" tells more, "berth help exit-codes" how it ends.');
  inheritSettings(program);
  return program;
}

/** commander copies output and exit behavior only to commands made by `.command()`, not to added ones. */
function inheritSettings(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inheritSettings(child);
  }
}

/**
 * Runs the command and answers its exit code; failures are printed, never thrown.
 * @param args the arguments after the program's name
 */
export async function runCli(args: string[], world: CliWorld): Promise<number> {
  const json = asksForJson(args);
  const context = contextOf(world, json);
  try {
    await buildProgram(context).parseAsync(helpOf(args), { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const { exitCode, lines } = json ? failureJson(error) : describeFailure(error);
    for (const line of lines) context.err(`${line}\n`);
    return exitCode;
  } finally {
    context.progress.clear();
  }
}

/** commander's own `help` takes one word, and shows the group where two were given. `--help` is heard before any command begins. */
function helpOf(args: string[]): string[] {
  const [first, ...path] = args;
  return first === 'help' && path.length > 1 ? [...path, '--help'] : args;
}

/** Looked up before commander parses, so that a wrong argument is told as JSON too. */
function asksForJson(args: string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? args.length : end).includes('--json');
}

/** Whatever is printed ends the line that turns. */
function contextOf(world: CliWorld, json: boolean): CliContext {
  const progress = json ? silentProgress : world.progress;
  const cleared =
    (print: (text: string) => void) =>
    (text: string): void => {
      progress.clear();
      print(text);
    };
  return {
    ...world,
    json,
    progress,
    prompts: json ? null : world.prompts,
    out: cleared(world.out),
    err: cleared(world.err),
  };
}
