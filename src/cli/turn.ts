import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import { printable } from './render.js';
import type { Session } from './session.js';
import { isFinal } from './wire.js';
import type { Message, WorkspaceEvent } from './wire.js';
import { workspaceGone } from './workspace-state.js';

/** A turn that is over: the person's message with its final state, and the agent's answer when there is one. */
export interface EndedTurn {
  message: Message;
  answer: Message | null;
}

/** The number of the newest event of a workspace; 0 when there is none yet. */
export async function lastEventNumber(session: Session, workspaceId: string): Promise<number> {
  let last = 0;
  for await (const event of session.storedEvents(workspaceId, 0)) last = event.seq;
  return last;
}

/**
 * Follows one turn to its end. Text goes to `onText` as it streams; an answer that did not stream comes whole.
 * @param after the number of an event before the turn
 * @throws CliError with exit code 7 when the workspace fails before the turn ends.
 */
export async function followTurn(
  session: Session,
  context: CliContext,
  turn: { workspaceId: string; messageId: string; after: number; onText: (text: string) => void },
): Promise<EndedTurn> {
  const { workspaceId, messageId } = turn;
  const output = new TurnOutput(context, messageId, turn.onText);
  context.progress.wait('Waiting for the answer');
  let answerId: string | null = null;
  let ended = await endOfTurn(session, workspaceId, messageId, answerId);
  // Checked before listening, and the listening begins at an event from before the turn: no end can fall between the two.
  if (ended === null) {
    for await (const event of session.followEvents(workspaceId, turn.after)) {
      output.show(event);
      if (event.type === 'workspace.state') await throwIfFailed(session, workspaceId);
      if (event.type !== 'message.state') continue;
      // The answer is announced before its turn's final state.
      if (event.data.inReplyTo === messageId && typeof event.data.messageId === 'string')
        answerId = event.data.messageId;
      if (!concerns(event, messageId)) continue;
      ended = await endOfTurn(session, workspaceId, messageId, answerId);
      if (ended !== null) break;
    }
  }
  if (ended === null) throw new CliError(exitCodes.unavailable, 'Berth ended the event stream. Try again.');
  if (!output.streamed && ended.answer !== null) turn.onText(printable(ended.answer.text));
  return ended;
}

/** @throws CliError with exit code 7 unless the turn completed. */
export function throwUnlessCompleted({ message }: EndedTurn): void {
  if (message.state === 'completed') return;
  throw new CliError(
    exitCodes.turnFailed,
    message.error ? `The turn ${message.state}: ${message.error.message}` : `The turn was ${message.state}.`,
  );
}

/** False only when the event names another message. */
function concerns({ data }: WorkspaceEvent, messageId: string): boolean {
  const named = data.messageId ?? data.turnId ?? data.id;
  return named === undefined || named === messageId;
}

/** Shows a turn while it goes on: its text, and notes on standard error. */
class TurnOutput {
  /** True once text came. */
  streamed = false;
  /** Text on a terminal ends where it ends; a note beside it begins on a line of its own. */
  #midLine = false;

  constructor(
    private readonly context: CliContext,
    private readonly messageId: string,
    private readonly onText: (text: string) => void,
  ) {}

  show(event: WorkspaceEvent): void {
    const { text } = event.data;
    if (event.type === 'agent.text' && concerns(event, this.messageId) && typeof text === 'string') {
      this.onText(printable(text));
      this.streamed = true;
      this.#midLine = !text.endsWith('\n');
      return;
    }
    const note = progressNote(event);
    if (note === null) return;
    this.context.progress.note(`${this.#midLine ? '\n' : ''}berth: ${note}`);
    this.#midLine = false;
  }
}

/** What is said on standard error about a turn while it goes on; null for events that say nothing there. */
function progressNote({ type, data }: WorkspaceEvent): string | null {
  if ((type === 'authentication.state' || type === 'git.failed') && typeof data.message === 'string')
    return printable(data.message);
  if (type === 'git.pushed' && typeof data.branch === 'string') return `pushed ${printable(data.branch)}`;
  return null;
}

async function throwIfFailed(session: Session, workspaceId: string): Promise<void> {
  const workspace = await session.workspace(workspaceId);
  if (['failed', 'deleting', 'deleted'].includes(workspace.state)) throw workspaceGone(workspace);
}

/**
 * The turn's end as it is stored, null while it goes on. Where no event named the answer it is the newest one: turns run one after another.
 */
async function endOfTurn(
  session: Session,
  workspaceId: string,
  messageId: string,
  answerId: string | null,
): Promise<EndedTurn | null> {
  let message: Message | null = null;
  let answer: Message | null = null;
  for await (const entry of session.messages(workspaceId)) {
    if (entry.id === messageId) message = entry;
    else if (
      message !== null &&
      entry.author.type === 'agent' &&
      (answerId === null || answerId === entry.id)
    )
      answer = entry;
  }
  if (message === null || !isFinal(message)) return null;
  return { message, answer: message.state === 'completed' ? answer : null };
}
