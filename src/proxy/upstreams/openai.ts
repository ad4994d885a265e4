import type { HeaderList } from '../headers.js';
import { field, jsonOf } from '../json.js';
import type { HeldCredential } from '../leases.js';
import type { Refusal } from '../refusal.js';
import { count, modelName, word, type UpstreamAdapter, type Usage, type UsageReader } from './adapter.js';

/** Codes by status where the refusal brings none of its own. */
const CODES: Record<number, string> = {
  401: 'invalid_api_key',
  404: 'not_allowed',
  413: 'request_too_large',
};

function applyCredential(headers: HeaderList, credential: HeldCredential): void {
  headers.push('authorization', `Bearer ${credential.secret.reveal()}`);
}

function formatRefusal(refusal: Refusal): { contentType: string; body: string } {
  const type = refusal.status >= 500 ? 'server_error' : 'invalid_request_error';
  const code = refusal.code ?? CODES[refusal.status] ?? null;
  return {
    contentType: 'application/json',
    body: JSON.stringify({ error: { message: refusal.message, type, param: null, code } }),
  };
}

/** The events of the Responses API that end an answer; each carries the whole response with its usage. */
const LAST_EVENTS = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/** A chat chunk that carries counts, not `"usage":null`. Quotes inside an answer's text are escaped and do not match. */
const USAGE = /"usage"\s*:\s*\{/;

/**
 * Responses and Chat Completions. OpenAI's input count includes what came from its cache; it is taken out here, so that the counts of all
 * providers add up the same way. What was written to a cache is not told.
 */
class OpenAiUsage implements UsageReader {
  #usage: Usage = {
    model: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadTokens: null,
    cacheWriteTokens: null,
  };

  event(name: string, data: string): void {
    if (LAST_EVENTS.has(name)) {
      this.#responses(field(jsonOf(data), 'response'));
      return;
    }
    // A chat stream tells its usage in its last chunk, and only when it was asked to; all other chunks say null or nothing.
    if (name === 'message' && USAGE.test(data)) this.#chat(jsonOf(data));
    else if (name === 'message' && this.#usage.model === null) {
      this.#usage.model = modelName(field(jsonOf(data), 'model'));
    }
  }

  json(body: unknown): void {
    if (field(body, 'object') === 'response') this.#responses(body);
    else this.#chat(body);
  }

  usage(): Usage {
    return { ...this.#usage };
  }

  #responses(response: unknown): void {
    const usage = field(response, 'usage');
    this.#take(response, {
      input: count(field(usage, 'input_tokens')),
      output: count(field(usage, 'output_tokens')),
      cached: count(field(field(usage, 'input_tokens_details'), 'cached_tokens')),
    });
  }

  #chat(completion: unknown): void {
    const usage = field(completion, 'usage');
    this.#take(completion, {
      input: count(field(usage, 'prompt_tokens')),
      output: count(field(usage, 'completion_tokens')),
      cached: count(field(field(usage, 'prompt_tokens_details'), 'cached_tokens')),
    });
  }

  #take(answer: unknown, told: { input: number | null; output: number | null; cached: number | null }): void {
    this.#usage = {
      model: modelName(field(answer, 'model')) ?? this.#usage.model,
      inputTokens: told.input === null ? null : Math.max(0, told.input - (told.cached ?? 0)),
      outputTokens: told.output,
      cacheReadTokens: told.cached,
      cacheWriteTokens: null,
    };
  }
}

/** OpenAI's API, as Codex uses it with a provider of its own (agents.md 6, providers.md 4.5). */
export const openai: UpstreamAdapter = {
  name: 'openai',
  title: 'OpenAI',
  operations: [
    { method: 'POST', path: '/v1/responses', metered: true },
    { method: 'POST', path: '/v1/chat/completions', metered: true },
    { method: 'GET', path: '/v1/models', metered: false },
  ],
  kinds: new Set(['openai_api_key']),
  applyCredential,
  formatRefusal,
  errorType: (body) => {
    const error = field(body, 'error');
    return word(field(error, 'code')) ?? word(field(error, 'type'));
  },
  newUsageReader: () => new OpenAiUsage(),
};
