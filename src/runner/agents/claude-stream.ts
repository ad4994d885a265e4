import type { TurnOutcome } from '../../contracts/runner.js';
import { ClaudePlan } from './claude-plan.js';
import { codeOfStatus, failed, type AgentFailureCode } from './failures.js';
import type { ItemWriter } from './item-writer.js';
import { fields, list, numberOrNull, text, type Fields } from './json.js';

const NAME = 'Claude';

/**
 * How a run of the CLI ended. `unknown-session`: there is no such session here. `unknown-point`: nor such a place in it. `dropped`: the session has a message with this id already, so
 * the CLI threw ours away without a word to the model.
 */
export type ClaudeEnd = TurnOutcome | { result: 'unknown-session' | 'unknown-point' | 'dropped' };

/** How the CLI refuses to resume (2.1.197 and 2.1.330). */
const REFUSALS = [
  ['No conversation found', 'unknown-session'],
  ['No message found with message.uuid', 'unknown-point'],
] as const;

/** The CLI's own names of errors (`assistant.error`, CLI 2.1.330). */
const ERROR_CODES: Record<string, AgentFailureCode> = {
  authentication_failed: 'agent-authentication',
  oauth_org_not_allowed: 'agent-authentication',
  account_on_hold: 'agent-authentication',
  verification_required: 'agent-authentication',
  cloud_credential_error: 'agent-authentication',
  billing_error: 'agent-quota',
  rate_limit: 'agent-quota',
  overloaded: 'agent-overloaded',
  invalid_request: 'agent-request-refused',
  model_not_found: 'agent-request-refused',
  max_output_tokens: 'agent-request-refused',
};

/**
 * Reads the events of one `claude -p --output-format stream-json --include-partial-messages --replay-user-messages` run (CLI 2.1.197 and 2.1.330, recorded) and
 * writes items. Events of subagents (`parent_tool_use_id`) are theirs; what they did comes back as the result of their tool call.
 */
export class ClaudeStream {
  /** How it ended; null until it is known. */
  end: ClaudeEnd | null = null;
  /** The uuid of the last entry of the session that is good: the model's, or a tool's result. Null: there is none yet. */
  point: string | null = null;
  readonly #plan = new ClaudePlan();
  #begun = false;
  #streamedMessages = new Set<string>();
  #message = '';
  #error = '';
  #retryStatus: number | null | undefined;

  constructor(
    private readonly writer: ItemWriter,
    /** The id of the message that was sent. */
    private readonly messageId: string,
  ) {}

  accept(event: Fields): void {
    if (text(event.parent_tool_use_id) !== '') return;
    switch (event.type) {
      case 'system':
        this.#system(event);
        break;
      case 'stream_event':
        this.#partial(fields(event.event));
        break;
      case 'assistant':
        this.#assistant(event);
        break;
      case 'user':
        this.#user(event);
        break;
      case 'result':
        this.end = this.#result(event);
        break;
    }
  }

  #system(event: Fields): void {
    if (event.subtype === 'init') this.#begun = true;
    if (event.subtype === 'api_retry') this.#retryStatus = numberOrNull(event.error_status);
  }

  #partial(event: Fields): void {
    if (event.type === 'message_start') {
      this.#message = text(fields(event.message).id);
      this.#streamedMessages.add(this.#message);
    }
    if (event.type === 'content_block_start' && fields(event.content_block).type === 'text')
      this.writer.paragraph();
    if (event.type !== 'content_block_delta') return;
    const delta = fields(event.delta);
    if (delta.type === 'text_delta') this.writer.text(text(delta.text));
  }

  #assistant(event: Fields): void {
    const message = fields(event.message);
    if (text(event.error) !== '') {
      // The CLI's own words about a failed request, dressed up as the model's. They may quote the provider.
      this.#error = text(event.error);
      return;
    }
    this.#good(event);
    const streamed = this.#streamedMessages.has(text(message.id));
    for (const block of list(message.content)) {
      if (block.type === 'tool_use') this.#tool(block);
      if (block.type === 'text' && !streamed) {
        this.writer.paragraph();
        this.writer.text(text(block.text));
      }
    }
  }

  /** What is about the plan alone is shown as the plan. */
  #tool(block: Fields): void {
    if (this.#plan.called(block)) this.writer.plan(this.#plan.items);
    else this.writer.toolStarted(text(block.id), text(block.name), inputSummary(block.input));
  }

  #user(event: Fields): void {
    // A message of a new turn is echoed after its `init`. An echo without one: the session had this id, and ours was dropped (recorded).
    if (event.isReplay === true && event.uuid === this.messageId && !this.#begun)
      this.end = { result: 'dropped' };
    for (const block of list(fields(event.message).content)) {
      if (block.type !== 'tool_result') continue;
      this.#good(event);
      if (this.#plan.ended(text(block.tool_use_id), fields(event.tool_use_result)))
        this.writer.plan(this.#plan.items);
      else
        this.writer.toolEnded(text(block.tool_use_id), block.is_error !== true, resultSummary(block.content));
    }
  }

  #good(event: Fields): void {
    if (text(event.uuid) !== '') this.point = text(event.uuid);
  }

  #result(event: Fields): ClaudeEnd {
    if (event.is_error !== true) {
      this.writer.answer(text(event.result));
      return { result: 'completed' };
    }
    const errors = Array.isArray(event.errors) ? event.errors : [];
    const refusal = REFUSALS.find(([words]) => errors.some((line) => text(line).startsWith(words)));
    if (!this.#begun && refusal !== undefined) return { result: refusal[1] };
    return failed(this.#failureCode(event), NAME);
  }

  /** Status first, since 403 and 401 share an error name; then the name; then what the last retry was for. Texts are never searched. */
  #failureCode(event: Fields): AgentFailureCode {
    const status = numberOrNull(event.api_error_status);
    const named = ERROR_CODES[this.#error];
    // Low credit is a 400 with a name of its own.
    if (named === 'agent-quota') return named;
    if (status !== null) return codeOfStatus(status);
    if (named !== undefined) return named;
    if (typeof this.#retryStatus === 'number') return codeOfStatus(this.#retryStatus);
    if (this.#error === '') return 'agent-crashed';
    return 'network';
  }
}

/** A tool call in one line: what people look for first (the command, the file), else its input. */
function inputSummary(input: unknown): string {
  const values = fields(input);
  for (const name of [
    'command',
    'file_path',
    'notebook_path',
    'path',
    'pattern',
    'query',
    'url',
    'description',
    'prompt',
  ]) {
    if (text(values[name]) !== '') return text(values[name]);
  }
  return Object.keys(values).length === 0 ? '' : JSON.stringify(values);
}

function resultSummary(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((block) => text(block.text))
    .join('\n');
}
