import type { LeaseSecret } from '../../contracts/proxy.js';
import { removeHeader, type HeaderList } from '../headers.js';
import { field, jsonOf } from '../json.js';
import type { HeldCredential } from '../leases.js';
import type { Refusal } from '../refusal.js';
import {
  count,
  modelName,
  word,
  type Place,
  type UpstreamAdapter,
  type Usage,
  type UsageReader,
} from './adapter.js';
import { quotaEnd, retryAfter } from './quota.js';

/** Codes by status where the refusal brings none of its own. */
const CODES: Record<number, string> = {
  401: 'invalid_api_key',
  404: 'not_allowed',
  413: 'request_too_large',
};

const ACCOUNT = 'chatgpt-account-id';

/** What Codex's own server for ChatGPT logins has of OpenAI's API, and where (providers.md 4.5). */
const CHATGPT_PATHS: Record<string, string> = { '/v1/responses': '/codex/responses' };

function place(kind: LeaseSecret['kind'], path: string): Place | null {
  if (kind !== 'openai_oauth') return { target: 'openai', path };
  const there = CHATGPT_PATHS[path];
  return there === undefined ? null : { target: 'chatgpt', path: there };
}

function applyCredential(headers: HeaderList, credential: HeldCredential): void {
  // The account goes with the token; another one that an agent names is not its own to choose.
  removeHeader(headers, ACCOUNT);
  if (credential.accountId) headers.push(ACCOUNT, credential.accountId);
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

/** Codes of a key or token that is no good (any more), beside a 401 (providers.md 4.3 and 4.5). */
const REFUSED = new Set(['invalid_api_key', 'token_expired', 'token_revoked', 'token_invalidated']);

/** OpenAI says 401 also to a key that is good and may not do this, which no newer one would change (providers.md 4.5). */
const SCOPES = /\bmissing scopes?\b/i;

function refuses(status: number, body: unknown): boolean {
  const error = field(body, 'error');
  const code = field(error, 'code');
  if (typeof code === 'string' && REFUSED.has(code)) return true;
  const message = field(error, 'message') ?? field(body, 'detail');
  return status === 401 && !(typeof message === 'string' && SCOPES.test(message));
}

/** A ChatGPT plan that is used up says so, and until when; `insufficient_quota` of a key is over when somebody pays, and says nothing. */
function limitedUntil({ headers, body }: { headers: HeaderList; body: unknown }, now: Date): Date | null {
  const error = field(body, 'error');
  if (field(error, 'type') !== 'usage_limit_reached' && field(error, 'code') !== 'usage_limit_reached')
    return null;
  const said = [{ inSeconds: field(error, 'resets_in_seconds') }, { at: field(error, 'resets_at') }];
  return quotaEnd([...said, retryAfter(headers)], now);
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
  #failure: unknown = null;
  #usage: Usage = {
    model: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadTokens: null,
    cacheWriteTokens: null,
  };

  event(name: string, data: string): void {
    if (LAST_EVENTS.has(name)) {
      const response = field(jsonOf(data), 'response');
      this.#responses(response);
      if (name === 'response.failed') this.#failure = { error: field(response, 'error') };
      return;
    }
    if (name === 'error') {
      const told = jsonOf(data);
      this.#failure = { error: field(told, 'error') ?? told };
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

  failure(): unknown {
    return this.#failure;
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
  kinds: new Set(['openai_api_key', 'openai_oauth']),
  place,
  applyCredential,
  formatRefusal,
  errorType: (body) => {
    const error = field(body, 'error');
    return word(field(error, 'code')) ?? word(field(error, 'type'));
  },
  refuses,
  limitedUntil,
  newUsageReader: () => new OpenAiUsage(),
};
