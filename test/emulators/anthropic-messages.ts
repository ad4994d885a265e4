import { z } from 'zod';
import type { AnthropicError } from './anthropic-auth.js';
import type { Turn } from './language.js';

const blockSchema = z.looseObject({ type: z.string() });
const contentSchema = z.union([
  z.string().transform((text): z.output<typeof blockSchema>[] => [{ type: 'text', text }]),
  z.array(blockSchema),
]);
const messageSchema = z.looseObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: contentSchema,
});

/** The body of `POST /v1/messages`, as far as the emulated model looks at it. Unknown fields pass, as betas bring many. */
export const messagesRequestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  max_tokens: z.int().positive(),
  stream: z.boolean().default(false),
  system: z.unknown().optional(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  output_config: z
    .looseObject({ format: z.looseObject({ schema: z.looseObject({}) }).optional() })
    .optional(),
});
export type MessagesRequest = z.output<typeof messagesRequestSchema>;

/** `count_tokens` takes the same body without `max_tokens`. */
export const countTokensRequestSchema = messagesRequestSchema.omit({ max_tokens: true });

const invalid = (message: string): AnthropicError => ({
  status: 400,
  type: 'invalid_request_error',
  message,
});

/** Parses a body, or says what is wrong with it in the words of the API (`max_tokens: Field required`). */
export function parseBody<T extends z.ZodType>(
  schema: T,
  text: string,
): { body: z.output<T>; refused?: undefined } | { body?: undefined; refused: AnthropicError } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { refused: invalid('The request body is not valid JSON') };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { body: parsed.data };
  const issue = parsed.error.issues[0];
  const path = issue?.path.map(String).join('.') ?? '';
  const missing = issue?.code === 'invalid_type' && issue.message.includes('received undefined');
  return {
    refused: invalid(`${path}: ${missing ? 'Field required' : (issue?.message ?? 'Input is not valid')}`),
  };
}

/** The API wants each tool_use answered by a tool_result in the very next message, and no result without its use. Null when so. */
export function refuseToolPairs(messages: MessagesRequest['messages']): AnthropicError | null {
  let open: string[] = [];
  // The CLI puts entries with the role `system` between; they are no turn of anyone.
  for (const [index, { role, content }] of messages.entries()) {
    if (role === 'system') continue;
    const results = content
      .filter(({ type }) => type === 'tool_result')
      .map((block) => String(block.tool_use_id));
    const stray = results.find((id) => !open.includes(id));
    if (stray) {
      return invalid(
        `messages.${index}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      );
    }
    const missing = open.filter((id) => !results.includes(id));
    if (missing.length > 0) {
      return invalid(
        `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
      );
    }
    open = content.filter(({ type }) => type === 'tool_use').map((block) => String(block.id));
  }
  return null;
}

/** What people asked in these messages and what the tools answered, without what the CLI adds of its own. */
export function turnsOf(messages: MessagesRequest['messages']): Turn[] {
  const turns: Turn[] = [];
  const tools = new Map<string, string>();
  for (const { role, content } of messages) {
    if (role === 'system') continue;
    const texts: string[] = [];
    for (const block of content) {
      if (block.type === 'tool_use') tools.set(String(block.id), String(block.name));
      if (block.type === 'tool_result') {
        turns.at(-1)?.results.push({
          tool: tools.get(String(block.tool_use_id)) ?? '',
          text: withoutMachineText(textOf(block.content)),
          failed: block.is_error === true,
        });
      }
      if (role === 'user' && block.type === 'text') texts.push(withoutMachineText(String(block.text)));
    }
    const asked = texts.filter(Boolean).join('\n');
    if (asked) turns.push({ asked, results: [] });
  }
  return turns;
}

/** What persons asked in a body, for the ledger, which has refused requests too; null: it is no conversation. */
export function askedIn(text: string): string[] | null {
  const { body } = parseBody(messagesRequestSchema, text);
  return body ? turnsOf(body.messages).map(({ asked }) => asked) : null;
}

/** The folder the agent works in, as the CLI tells the model in its environment reminder; null when it does not. */
export function workingDirectoryOf(request: MessagesRequest): string | null {
  const texts = [
    ...contentSchema.catch([]).parse(request.system),
    ...request.messages.flatMap(({ content }) => content),
  ]
    .map(({ text }) => text)
    .filter((text) => typeof text === 'string');
  for (const text of texts) {
    const found = /^\s*(?:- )?(?:Primary working|Working) directory: (\/.*)$/m.exec(text)?.[1];
    if (found) return found.trim();
  }
  return null;
}

/** Drops what the CLI writes into messages and tool results itself: reminders, echoes of local commands, notes about an interruption. */
function withoutMachineText(text: string): string {
  return text
    .replace(/<(system-reminder|local-command-\w+|command-\w+|task-notification)>[\s\S]*?<\/\1>/g, '')
    .replace(/^\[Request interrupted by user[^\]]*\]/, '')
    .trim();
}

function textOf(content: unknown): string {
  const blocks = contentSchema.safeParse(content).data ?? [];
  return blocks.map(({ text }) => (typeof text === 'string' ? text : '')).join('\n');
}
