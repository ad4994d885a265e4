import { isNativeError } from 'node:util/types';
import type { z } from 'zod';
import { MAX_PAGE } from '../contracts/index.js';
import type { Secret } from '../kernel/index.js';
import { CliError, RefusedError, UnreachableError, exitCodes, fieldLines } from './failure.js';
import { pageSchema, problemSchema } from './wire.js';

export interface ApiClientOptions {
  /** Base URL without a slash at its end. */
  url: string;
  apiKey: Secret;
  fetch: typeof fetch;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  signal: AbortSignal;
}

interface ApiRequest {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: string;
}

const attempts = 3;
const retryPauseMilliseconds = 300;
/** A longer `Retry-After` is the person's to wait for, not ours. */
const longestPauseSeconds = 10;
const headTimeoutMilliseconds = 60_000;

/** Calls Berth's REST API with an API key. Every method throws UnreachableError (exit code 3) or RefusedError (exit code 1). */
export class ApiClient {
  constructor(private readonly options: ApiClientOptions) {}

  /** Path of the organisation's own resources, from segments that need no escaping by the caller. */
  static path(organization: string, ...segments: string[]): string {
    return ['/api/v1/organizations', ...[organization, ...segments].map(encodeURIComponent)].join('/');
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const request: ApiRequest = { method: 'GET', path, headers: { accept: 'application/json' } };
    return this.read(await this.sendWithRetry(request), schema);
  }

  /** Posts. Sent again only when the server said that it did nothing: a lost answer may have been a yes, and twice would be two. */
  async post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const headers = {
      accept: 'application/json',
      'content-type': 'application/json',
    };
    return this.read(
      await this.sendWithRetry({ method: 'POST', path, headers, body: JSON.stringify(body) }),
      schema,
    );
  }

  /** All items of a list, page by page. */
  async *list<T>(path: string, item: z.ZodType<T>): AsyncGenerator<T> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(MAX_PAGE), ...(cursor === null ? {} : { cursor }) });
      const page: z.infer<typeof pageSchema> = await this.get(`${path}?${query.toString()}`, pageSchema);
      for (const entry of page.items) yield this.check(entry, item);
      cursor = page.nextCursor ?? null;
    } while (cursor !== null);
  }

  /** Opens a stream of server-sent events after event number `after`. The caller reads or cancels the body. */
  async openEvents(path: string, after: number): Promise<Response> {
    const headers = { accept: 'text/event-stream', 'last-event-id': String(after) };
    const response = await this.send({ method: 'GET', path, headers });
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      await response.body?.cancel();
      throw this.notBerth();
    }
    return response;
  }

  private async sendWithRetry(request: ApiRequest): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.send(request);
      } catch (error) {
        const pause = retryPause(request, error, attempt);
        if (attempt === attempts || pause === null) throw error;
        await this.options.sleep(pause, this.options.signal);
      }
    }
  }

  /** Sends once. Throws unless the answer is 2xx. */
  private async send({ method, path, headers, body }: ApiRequest): Promise<Response> {
    // The time limit ends with the answer's head: an event stream may then be silent for long.
    const head = new AbortController();
    const timer = setTimeout(() => head.abort(new Error('no answer in time')), headTimeoutMilliseconds);
    let response: Response;
    try {
      response = await this.options.fetch(`${this.options.url}${path}`, {
        method,
        headers: { ...headers, authorization: `Bearer ${this.options.apiKey.reveal()}` },
        body,
        // A followed redirect would turn a POST into a GET, or carry the key along.
        redirect: 'manual',
        signal: AbortSignal.any([this.options.signal, head.signal]),
      });
    } catch (error) {
      this.options.signal.throwIfAborted();
      throw new UnreachableError(
        `Cannot reach Berth at ${this.options.url}: ${networkReason(error)}. Is it running there? Start it with "berth start", or set BERTH_URL or --url.`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return response;
    throw await this.refusal(response);
  }

  private async refusal(response: Response): Promise<RefusedError> {
    const { status } = response;
    const retryAfter = Number(response.headers.get('retry-after') ?? 'none');
    const retryAfterSeconds = Number.isFinite(retryAfter) ? retryAfter : null;
    const location = response.headers.get('location');
    const problem = problemSchema.safeParse(parseJson(await response.text().catch(() => '')));
    if (status >= 300 && status < 400)
      return new RefusedError(
        status,
        null,
        `${this.options.url} redirects to ${location ?? 'elsewhere'}. Set BERTH_URL or --url to the final address.`,
        [],
        null,
      );
    const said = problem.success ? (problem.data.detail ?? problem.data.title) : null;
    const sentence = said ?? `${this.options.url} answered ${status} ${response.statusText}`.trimEnd() + '.';
    const hint =
      status === 401 ? ' Check the API key: BERTH_API_KEY, BERTH_API_KEY_FILE or the config file.' : '';
    const code = problem.success ? (problem.data.code ?? null) : null;
    const fields = problem.success ? fieldLines(problem.data.errors ?? []) : [];
    return new RefusedError(
      status,
      code,
      `${sentence}${hint}${code === null ? '' : ` (${code})`}`,
      fields,
      retryAfterSeconds,
    );
  }

  private async read<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
    const text = await response.text().catch((error: unknown) => {
      this.options.signal.throwIfAborted();
      throw new UnreachableError(
        `The connection to ${this.options.url} broke: ${networkReason(error)}. Try again.`,
        {
          cause: error,
        },
      );
    });
    return this.check(parseJson(text), schema);
  }

  private check<T>(value: unknown, schema: z.ZodType<T>): T {
    const result = schema.safeParse(value);
    if (!result.success) throw this.notBerth();
    return result.data;
  }

  private notBerth(): CliError {
    return new CliError(
      exitCodes.refused,
      `${this.options.url} did not answer as Berth does. Check BERTH_URL or --url, and that this command is of the same version.`,
    );
  }
}

/** Milliseconds until the same request is worth another try; null when it is not. */
function retryPause({ method }: ApiRequest, error: unknown, attempt: number): number | null {
  if (error instanceof UnreachableError) {
    if (method !== 'GET') return null;
    // Nothing listens there or the name is wrong: say so at once instead of trying again.
    return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(codeOf(error.cause))
      ? null
      : retryPauseMilliseconds * attempt;
  }
  if (!(error instanceof RefusedError) || ![429, 503].includes(error.status)) return null;
  const seconds = error.retryAfterSeconds;
  return seconds === null || seconds > longestPauseSeconds ? null : seconds * 1000;
}

/** What was answered, or undefined where it is no JSON; the schema then says no. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// isNativeError and not instanceof: fetch's errors come from Node's own realm, also where the caller runs in another (Jest).
function codeOf(error: unknown): string {
  if (!isNativeError(error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf('errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause);
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'its name is unknown',
  EAI_AGAIN: 'its name could not be looked up',
  ECONNRESET: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
};

/** Why a fetch failed, for people. fetch itself only says "fetch failed". */
export function networkReason(error: unknown): string {
  const code = codeOf(error);
  if (reasons[code] !== undefined) return reasons[code];
  if (!isNativeError(error)) return String(error);
  return isNativeError(error.cause) ? error.cause.message : error.message;
}
