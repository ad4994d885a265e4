import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { exitCodes } from '../../exit-codes.js';
import { CliError } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText, messageLine } from '../../render.js';
import { followTurn, lastEventNumber, throwUnlessCompleted } from '../../turn.js';

interface SendOptions extends OutputOptions {
  follow?: true;
}

/** `berth workspaces send` */
export function sendCommand(context: CliContext): Command {
  const command = withConnection(new Command('send'))
    .description('send a message to the agent of a workspace; a sleeping workspace wakes')
    .argument('<id>', 'workspace id, or the last eight digits of it')
    .argument('<text...>', 'the message; "-" reads it from standard input')
    .option('-f, --follow', 'print the answer as it comes, until the turn ends')
    .option('--json', 'print the message as JSON; with --follow {message, answer} when the turn has ended')
    .action((id: string, text: string[], options: SendOptions) => send(context, id, text, options));
  return withExamples(
    command,
    "berth workspaces send 1f0c22aa 'run the tests and mend what fails' --follow",
    'berth workspaces send 1f0c22aa - < task.md',
  );
}

async function send(
  context: CliContext,
  given: string,
  words: string[],
  options: SendOptions,
): Promise<void> {
  const text = words.length === 1 && words[0] === '-' ? await context.readInput() : words.join(' ');
  if (text.trim() === '') throw new CliError(exitCodes.usage, 'The message is empty.');
  const session = await connect(context, options);
  const workspaceId = await session.workspaceId(given);
  // Asked before sending, so that following starts before the turn's first event.
  const after = options.follow ? await lastEventNumber(session, workspaceId) : 0;
  const message = await session.sendMessage(workspaceId, text);
  if (!options.follow) {
    context.out(options.json ? `${jsonText(message, 2)}\n` : messageLine(message));
    return;
  }
  const onText = (piece: string): void => {
    if (!options.json) context.out(piece);
  };
  const turn = await followTurn(session, context, { workspaceId, messageId: message.id, after, onText });
  context.out(options.json ? `${jsonText(turn, 2)}\n` : '\n');
  throwUnlessCompleted(turn);
}
