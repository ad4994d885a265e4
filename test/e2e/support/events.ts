import type { EventView, MessageView } from '../../../src/contracts/index.js';
import type { Api } from '../../support/api.js';

/** The numbers of events that have neither gap nor repeat, from 1. */
export function numbersUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Fails unless the events are numbered from 1 without gap or repeat. */
export function expectWhole(events: readonly EventView[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(numbersUpTo(events.length));
}

/** The states that the workspace, or one message, went through. */
export function statesOf(events: readonly EventView[], messageId?: string): string[] {
  const type = messageId === undefined ? 'workspace.state' : 'message.state';
  return events
    .filter((event) => event.type === type && (messageId === undefined || event.data.messageId === messageId))
    .map(({ data }) => String(data.state));
}

/** What the agent said in a turn, as it streamed. */
export function streamedText(events: readonly EventView[], messageId: string): string {
  return events
    .filter(({ type, data }) => type === 'agent.text' && data.messageId === messageId)
    .map(({ data }) => String(data.text))
    .join('');
}

/** True once the turn of a message has come to its end. */
export function hasEnded(events: readonly EventView[], messageId: string): boolean {
  return ['completed', 'failed', 'canceled'].includes(statesOf(events, messageId).at(-1) ?? '');
}

/** What the agent answered after a person's message; there must be one answer at most. */
export async function answerTo(
  api: Api,
  workspaceId: string,
  messageId: string,
): Promise<string | undefined> {
  const messages = await api.messages(workspaceId);
  const after = messages.slice(messages.findIndex(({ id }) => id === messageId) + 1);
  const next = after.findIndex(({ author }) => author.type === 'user');
  const answers = next === -1 ? after : after.slice(0, next);
  if (answers.length > 1) throw new Error(`The answer is stored ${answers.length} times`);
  return answers[0]?.text;
}

/** The turn of a message completed after so many attempts, its answer is stored once, and the events tell it once and without gap. */
export async function expectCompletedOnce(
  api: Api,
  workspaceId: string,
  message: MessageView,
  { answer, attempts }: { answer: string; attempts: number },
): Promise<void> {
  expect(await api.untilEnded(workspaceId, message.id)).toMatchObject({ state: 'completed', attempts });
  expect(await answerTo(api, workspaceId, message.id)).toBe(answer);
  const events = await api.events(workspaceId);
  expectWhole(events);
  expect(statesOf(events, message.id)).toEqual(['queued', 'running', 'completed']);
}
