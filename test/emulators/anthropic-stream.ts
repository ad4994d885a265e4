import type { AnthropicReply } from './anthropic-model.js';
import { piecesOf } from './bodies.js';
import type { Pace } from './gate.js';
import type { StreamEvent } from './sse.js';

/** What a message carries besides its content. */
export interface MessageFrame {
  messageId: string;
  toolUseId: string;
  model: string;
  inputTokens: number;
  outputTokens: number;
}

/** A message as one JSON object, for requests without `stream`. */
export function wholeMessage(frame: MessageFrame, reply: AnthropicReply): object {
  const content =
    reply.type === 'text'
      ? { type: 'text', text: reply.pieces.join('') }
      : { type: 'tool_use', id: frame.toolUseId, name: reply.name, input: reply.input };
  return {
    ...head(frame),
    content: [content],
    stop_reason: stopReason(reply),
    usage: { ...usage(frame), output_tokens: frame.outputTokens },
  };
}

/** The same message as the events of the streaming API, in their order. Slow pieces wait for `pace`. */
export async function* messageEvents(
  frame: MessageFrame,
  reply: AnthropicReply,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  yield event('message_start', {
    message: { ...head(frame), content: [], stop_reason: null, usage: { ...usage(frame), output_tokens: 1 } },
  });
  yield event('content_block_start', { index: 0, content_block: emptyBlock(frame, reply) });
  yield event('ping', {});
  for (const delta of deltasOf(reply)) {
    if (reply.type === 'text' && reply.slow) await pace.next(signal);
    yield event('content_block_delta', { index: 0, delta });
  }
  yield event('content_block_stop', { index: 0 });
  yield event('message_delta', {
    delta: { stop_reason: stopReason(reply), stop_sequence: null },
    usage: { output_tokens: frame.outputTokens },
  });
  yield event('message_stop', {});
}

function event(name: string, data: object): StreamEvent {
  return { event: name, data: { type: name, ...data } };
}

function head(frame: MessageFrame): object {
  return { id: frame.messageId, type: 'message', role: 'assistant', model: frame.model, stop_sequence: null };
}

function usage(frame: MessageFrame): object {
  return { input_tokens: frame.inputTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
}

function stopReason(reply: AnthropicReply): string {
  return reply.type === 'text' ? 'end_turn' : 'tool_use';
}

function emptyBlock(frame: MessageFrame, reply: AnthropicReply): object {
  return reply.type === 'text'
    ? { type: 'text', text: '' }
    : { type: 'tool_use', id: frame.toolUseId, name: reply.name, input: {} };
}

function deltasOf(reply: AnthropicReply): object[] {
  if (reply.type === 'text') return reply.pieces.map((text) => ({ type: 'text_delta', text }));
  // The real API begins a tool's input with an empty piece.
  return ['', ...piecesOf(JSON.stringify(reply.input))].map((partial_json) => ({
    type: 'input_json_delta',
    partial_json,
  }));
}
