import type { LeaseSecret } from '../../contracts/proxy.js';
import { addToken, headerOf, removeToken, type HeaderList } from '../headers.js';
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

const MODELS_PATH = '/v1/models';

/** Marks a request whose bearer is a subscription's token; required with one, wrong with an API key (providers.md 1.7, agents.md 2). */
export const OAUTH_BETA = 'oauth-2025-04-20';

/** Error types by status, as the API names them (providers.md 1.8). */
const TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  426: 'invalid_request_error',
};

/** Kinds whose secret is an OAuth token. By kind and not by how the token begins: those of a login and of a workload look the same (providers.md 2.1). */
const BEARERS: ReadonlySet<LeaseSecret['kind']> = new Set([
  'claude_oauth',
  'claude_setup_token',
  'anthropic_wif',
]);

/** An AWS key is good at Bedrock, which has messages and counts, and a list of models in a place of its own that no agent asks for here. */
function place(kind: LeaseSecret['kind'], path: string): Place | null {
  if (kind !== 'aws_bedrock') return { target: 'anthropic', path };
  return path === MODELS_PATH ? null : { target: 'bedrock', path };
}

function applyCredential(headers: HeaderList, credential: HeldCredential): void {
  if (BEARERS.has(credential.kind)) {
    addToken(headers, 'anthropic-beta', OAUTH_BETA);
    headers.push('authorization', `Bearer ${credential.secret.reveal()}`);
  } else {
    removeToken(headers, 'anthropic-beta', OAUTH_BETA);
    headers.push('x-api-key', credential.secret.reveal());
  }
}

/** A sentence that tells of a token or key that it was revoked: "OAuth token has been revoked. Please obtain a new token." (providers.md 1.8). Only the text says so. */
const REVOKED = /\b(?:token|key|credential)s?\b[^.]*\brevoked\b/i;

function refuses(status: number, body: unknown): boolean {
  if (status === 401) return true;
  const error = field(body, 'error');
  if (field(error, 'type') === 'authentication_error') return true;
  const message = field(error, 'message');
  return field(error, 'type') === 'permission_error' && typeof message === 'string' && REVOKED.test(message);
}

/** The headers of a subscription's quota, which tell a plan that is used up from a rate that was too high (providers.md 1.8). */
function limitedUntil({ headers }: { headers: HeaderList }, now: Date): Date | null {
  const unified = (name: string): string | undefined =>
    headerOf(headers, `anthropic-ratelimit-unified-${name}`);
  if (unified('status') !== 'rejected') return null;
  const spent = ['5h', '7d'].filter((window) => unified(`${window}-status`) === 'rejected');
  const windows = spent.map((window) => ({ at: unified(`${window}-reset`) }));
  return quotaEnd([{ at: unified('reset') }, ...windows, retryAfter(headers)], now);
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
export class AnthropicUsage implements UsageReader {
  #failure: unknown = null;
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
    } else if (name === 'error') {
      this.#failure = jsonOf(data);
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

  failure(): unknown {
    return this.#failure;
  }

  #input(usage: unknown): void {
    const mine = this.#usage;
    mine.inputTokens = count(field(usage, 'input_tokens')) ?? mine.inputTokens;
    mine.cacheReadTokens = count(field(usage, 'cache_read_input_tokens')) ?? mine.cacheReadTokens;
    mine.cacheWriteTokens = count(field(usage, 'cache_creation_input_tokens')) ?? mine.cacheWriteTokens;
    const forAnHour = count(field(field(usage, 'cache_creation'), 'ephemeral_1h_input_tokens'));
    if (forAnHour) mine.cacheHourTokens = forAnHour;
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
    { method: 'GET', path: MODELS_PATH, metered: false },
  ],
  kinds: new Set(['anthropic_api_key', 'aws_bedrock', ...BEARERS]),
  place,
  wires: { aws_bedrock: async () => (await import('./bedrock/wire.js')).bedrock },
  applyCredential,
  formatRefusal,
  errorType: (body) => word(field(field(body, 'error'), 'type')),
  refuses,
  limitedUntil,
  newUsageReader: () => new AnthropicUsage(),
};
