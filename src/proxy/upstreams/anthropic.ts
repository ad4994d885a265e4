import { addToken, removeToken, type HeaderList } from '../headers.js';
import { field, jsonOf } from '../json.js';
import type { HeldCredential } from '../leases.js';
import type { Refusal } from '../refusal.js';
import { count, modelName, word, type UpstreamAdapter, type Usage, type UsageReader } from './adapter.js';

/** Marks a request whose bearer is a subscription's token; required with one, wrong with an API key (providers.md 1.7, agents.md 2). */
const OAUTH_BETA = 'oauth-2025-04-20';

/** Error types by status, as the API names them (providers.md 1.8). */
const TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  426: 'invalid_request_error',
};

function applyCredential(headers: HeaderList, credential: HeldCredential): void {
  if (credential.kind === 'claude_setup_token') {
    addToken(headers, 'anthropic-beta', OAUTH_BETA);
    headers.push('authorization', `Bearer ${credential.secret.reveal()}`);
  } else {
    removeToken(headers, 'anthropic-beta', OAUTH_BETA);
    headers.push('x-api-key', credential.secret.reveal());
  }
}

function formatRefusal(refusal: Refusal, requestId: string): { contentType: string; body: string } {
  const error = { type: TYPES[refusal.status] ?? 'api_error', message: refusal.message };
  return {
    contentType: 'application/json',
    body: JSON.stringify({ type: 'error', error, request_id: `berth_${requestId}` }),
  };
}

/**
 * Messages API. A stream gives input and cache counts in `message_start` and running totals in `message_delta`; the output count of
 * `message_start` is only a beginning, so that without a `message_delta` the output stays unknown.
 */
class AnthropicUsage implements UsageReader {
  readonly #usage: Usage = {
    model: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadTokens: null,
    cacheWriteTokens: null,
  };

  event(name: string, data: string): void {
    if (name === 'message_start') {
      const message = field(jsonOf(data), 'message');
      this.#usage.model = modelName(field(message, 'model'));
      this.#input(field(message, 'usage'));
    } else if (name === 'message_delta') {
      const usage = field(jsonOf(data), 'usage');
      this.#input(usage);
      this.#output(usage);
    }
  }

  json(body: unknown): void {
    this.#usage.model = modelName(field(body, 'model'));
    this.#input(field(body, 'usage'));
    this.#output(field(body, 'usage'));
  }

  usage(): Usage {
    return { ...this.#usage };
  }

  #input(usage: unknown): void {
    const mine = this.#usage;
    mine.inputTokens = count(field(usage, 'input_tokens')) ?? mine.inputTokens;
    mine.cacheReadTokens = count(field(usage, 'cache_read_input_tokens')) ?? mine.cacheReadTokens;
    mine.cacheWriteTokens = count(field(usage, 'cache_creation_input_tokens')) ?? mine.cacheWriteTokens;
  }

  #output(usage: unknown): void {
    this.#usage.outputTokens = count(field(usage, 'output_tokens')) ?? this.#usage.outputTokens;
  }
}

/** Anthropic's Messages API, as Claude Code uses it through a gateway (providers.md 6). */
export const anthropic: UpstreamAdapter = {
  name: 'anthropic',
  title: 'Anthropic',
  operations: [
    { method: 'POST', path: '/v1/messages', metered: true },
    { method: 'POST', path: '/v1/messages/count_tokens', metered: false },
    { method: 'GET', path: '/v1/models', metered: false },
  ],
  kinds: new Set(['anthropic_api_key', 'claude_setup_token']),
  applyCredential,
  formatRefusal,
  errorType: (body) => word(field(field(body, 'error'), 'type')),
  newUsageReader: () => new AnthropicUsage(),
};
