import { piecesOf } from './bodies.js';
import type { Pace } from './gate.js';
import type { OpenaiReply } from './openai-model.js';
import type { StreamEvent } from './sse.js';

/** What a response carries besides its output. Times are seconds since 1970. */
export interface ResponseFrame {
  responseId: string;
  itemId: string;
  callId: string;
  model: string;
  createdAt: number;
  inputTokens: number;
  outputTokens: number;
}

type Item = Record<string, unknown>;

/** The finished response as one JSON object, for requests without `stream` and for `response.completed`. */
export function wholeResponse(frame: ResponseFrame, reply: OpenaiReply): object {
  return {
    ...head(frame, 'completed'),
    output: [itemOf(frame, reply)],
    usage: {
      input_tokens: frame.inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: frame.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: frame.inputTokens + frame.outputTokens,
    },
  };
}

/** The same response as the events of the streaming API, numbered in their order. Slow pieces wait for `pace`. */
export async function* responseEvents(
  frame: ResponseFrame,
  reply: OpenaiReply,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  let sequence_number = 0;
  const event = (type: string, data: object): StreamEvent => ({
    event: type,
    data: { type, sequence_number: sequence_number++, ...data },
  });
  const opening = { ...head(frame, 'in_progress'), output: [], usage: null };
  yield event('response.created', { response: opening });
  yield event('response.in_progress', { response: opening });
  const item = itemOf(frame, reply);
  yield event('response.output_item.added', { output_index: 0, item: emptied(item) });
  for (const part of partsOf(frame, reply)) {
    if (part.waits) await pace.next(signal);
    yield event(part.type, part.data);
  }
  yield event('response.output_item.done', { output_index: 0, item });
  yield event('response.completed', { response: wholeResponse(frame, reply) });
}

interface Part {
  type: string;
  data: object;
  waits?: boolean;
}

function partsOf(frame: ResponseFrame, reply: OpenaiReply): Part[] {
  const at = { item_id: frame.itemId, output_index: 0 };
  if (reply.type === 'text') return textParts({ ...at, content_index: 0 }, reply);
  const [name, field] =
    reply.type === 'function_call'
      ? ['response.function_call_arguments', 'arguments']
      : ['response.custom_tool_call_input', 'input'];
  const deltas = piecesOf(reply.input).map((delta) => ({ type: `${name}.delta`, data: { ...at, delta } }));
  return [...deltas, { type: `${name}.done`, data: { ...at, [field]: reply.input } }];
}

function textParts(at: object, reply: OpenaiReply & { type: 'text' }): Part[] {
  const text = reply.pieces.join('');
  return [
    { type: 'response.content_part.added', data: { ...at, part: outputText('') } },
    ...reply.pieces.map((delta) => ({
      type: 'response.output_text.delta',
      data: { ...at, delta, logprobs: [] },
      waits: reply.slow,
    })),
    { type: 'response.output_text.done', data: { ...at, text, logprobs: [] } },
    { type: 'response.content_part.done', data: { ...at, part: outputText(text) } },
  ];
}

function itemOf(frame: ResponseFrame, reply: OpenaiReply): Item {
  const base = { id: frame.itemId, status: 'completed' };
  if (reply.type === 'text') {
    return { ...base, type: 'message', role: 'assistant', content: [outputText(reply.pieces.join(''))] };
  }
  const { name, namespace } = reply.tool;
  const call = {
    ...base,
    type: reply.type,
    call_id: frame.callId,
    name,
    ...(namespace ? { namespace } : {}),
  };
  return reply.type === 'function_call'
    ? { ...call, arguments: reply.input }
    : { ...call, input: reply.input };
}

/** An item as it is first announced: under way and empty. */
function emptied(item: Item): Item {
  const blank = { content: [], arguments: '', input: '' };
  const emptyFields = Object.entries(blank).filter(([field]) => field in item);
  return { ...item, status: 'in_progress', ...Object.fromEntries(emptyFields) };
}

function outputText(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function head(frame: ResponseFrame, status: string): object {
  return {
    id: frame.responseId,
    object: 'response',
    created_at: frame.createdAt,
    status,
    model: frame.model,
    error: null,
    incomplete_details: null,
  };
}
