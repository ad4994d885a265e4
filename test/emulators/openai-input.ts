import { z } from 'zod';
import { addResult, resultOf, type CodexTurn } from './openai-results.js';

const partSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const contentSchema = z.union([
  z.string().transform((text) => [{ type: 'input_text', text }]),
  z.array(partSchema),
]);
const itemSchema = z.looseObject({ type: z.string().default('message') });
const toolSchema = z.looseObject({ type: z.string(), name: z.string().optional() });

const formatSchema = z.looseObject({ type: z.string(), schema: z.looseObject({}).optional() });

/** The body of `POST /v1/responses`, as far as the emulated model looks at it. */
export const responsesRequestSchema = z.looseObject({
  model: z.string(),
  input: z.union([
    z
      .string()
      .transform((content): z.output<typeof itemSchema>[] => [{ type: 'message', role: 'user', content }]),
    z.array(itemSchema),
  ]),
  stream: z.boolean().default(false),
  store: z.boolean().default(true),
  tools: z.array(toolSchema).default([]),
  previous_response_id: z.string().nullish(),
  instructions: z.string().nullish(),
  text: z.looseObject({ format: formatSchema.optional() }).optional(),
});
export type ResponsesRequest = z.output<typeof responsesRequestSchema>;

/** An error as the API says it. `code` and `param` are null where the API leaves them out. */
export interface OpenaiError {
  status: number;
  type: string;
  message: string;
  code: string | null;
  param: string | null;
}

/** The tools of Codex that the emulated model can use; `namespace` is sent back with the call when the tool came in one. */
export interface OfferedTool {
  type: 'function' | 'custom';
  name: string;
  namespace?: string;
}

const invalid = (message: string, param: string, code: string | null = null): OpenaiError => ({
  status: 400,
  type: 'invalid_request_error',
  message,
  code,
  param,
});

/** Parses a body, or says what is wrong with it in the words of the API. */
export function parseResponsesRequest(
  text: string,
): { body: ResponsesRequest; refused?: undefined } | { body?: undefined; refused: OpenaiError } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { refused: invalid('We could not parse the JSON body of your request.', '') };
  }
  const parsed = responsesRequestSchema.safeParse(json);
  if (parsed.success) return { body: parsed.data };
  const param = parsed.error.issues[0]?.path.map(String).join('.') ?? '';
  const given = json as Record<string, unknown> | null;
  if (given?.[param] === undefined) {
    return {
      refused: invalid(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter'),
    };
  }
  return { refused: invalid(`Invalid type for '${param}'.`, param, 'invalid_type') };
}

/** The API wants each call in the input answered and no output without its call; and a stored response only if it was stored. */
export function refuseInput(request: ResponsesRequest): OpenaiError | null {
  if (request.previous_response_id) {
    const id = request.previous_response_id;
    // Nothing is ever stored here, as with Codex, which sends `store: false` and its whole history.
    return invalid(
      `Previous response with id '${id}' not found.`,
      'previous_response_id',
      'previous_response_not_found',
    );
  }
  const calls = idsOf(request, isCall);
  const outputs = idsOf(request, isOutput);
  const stray = outputs.find((id) => !calls.includes(id));
  if (stray) return invalid(`No tool call found for function call output with call_id ${stray}.`, 'input');
  const unanswered = calls.find((id) => !outputs.includes(id));
  if (unanswered) return invalid(`No tool output found for function call ${unanswered}.`, 'input');
  return null;
}

/** What people asked in this input and what the tools answered, without what Codex adds of its own. */
export function turnsOf(request: ResponsesRequest): CodexTurn[] {
  const turns: CodexTurn[] = [];
  const names = new Map<string, string>();
  for (const item of request.input) {
    if (isCall(item.type)) names.set(String(item.call_id), String(item.name));
    if (isOutput(item.type))
      addResult(turns.at(-1), resultOf(names.get(String(item.call_id)) ?? '', textOf(item.output)));
    if (item.type !== 'message' || item.role !== 'user') continue;
    const asked = withoutMachineText(textOf(item.content));
    if (asked) turns.push({ asked, results: [] });
  }
  return turns;
}

/** What persons asked in a body, for the ledger, which has refused requests too; null: it is no conversation. */
export function askedIn(text: string): string[] | null {
  const { body } = parseResponsesRequest(text);
  return body ? turnsOf(body).map(({ asked }) => asked) : null;
}

/** All tools offered: in `tools`, or in an `additional_tools` input item, there grouped in namespaces. */
export function offeredTools(request: ResponsesRequest): OfferedTool[] {
  const additional = request.input
    .filter(({ type }) => type === 'additional_tools')
    .flatMap(({ tools }) => z.array(toolSchema).catch([]).parse(tools));
  return [...request.tools, ...additional].flatMap((tool) => {
    if (tool.type !== 'namespace') return offered(tool);
    const inner = z.array(toolSchema).catch([]).parse(tool.tools);
    return inner.flatMap((each) => offered(each, tool.name));
  });
}

function offered(tool: z.output<typeof toolSchema>, namespace?: string): OfferedTool[] {
  if ((tool.type !== 'function' && tool.type !== 'custom') || tool.name === undefined) return [];
  return [{ type: tool.type, name: tool.name, ...(namespace === undefined ? {} : { namespace }) }];
}

const isCall = (type: string): boolean => type === 'function_call' || type === 'custom_tool_call';
const isOutput = (type: string): boolean =>
  type === 'function_call_output' || type === 'custom_tool_call_output';

function idsOf(request: ResponsesRequest, wanted: (type: string) => boolean): string[] {
  return request.input.filter(({ type }) => wanted(type)).map((item) => String(item.call_id));
}

function textOf(content: unknown): string {
  const parts = contentSchema.safeParse(content).data ?? [];
  return parts.map(({ text }) => text ?? '').join('\n');
}

/** Drops what Codex writes as a user itself: the environment, AGENTS.md, notes about an aborted turn. */
function withoutMachineText(text: string): string {
  return text
    .replace(/^# AGENTS\.md instructions[\s\S]*?<\/INSTRUCTIONS>/, '')
    .replace(/<(environment_context|user_instructions|turn_aborted|skill)>[\s\S]*?<\/\1>/g, '')
    .trim();
}
