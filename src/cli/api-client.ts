import type { z } from 'zod';
import { MAX_PAGE } from '../contracts/index.js';
import type { Secret } from '../kernel/index.js';
import { exitCodes } from './exit-codes.js';
import { CliError, RefusedError, UnreachableError, fieldLines } from './failure.js';
import { networkReason } from './network.js';
import { again } from './retry.js';
import { pageSchema, problemSchema } from './wire.js';

export interface ApiClientOptions {
  /** Base URL without a slash at its end. */
  url: string;
  /** Null where nobody is signed in yet. */
  apiKey: Secret | null;
  fetch: typeof fetch;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  signal: AbortSignal;
  /** Makes the `Idempotency-Key` of one change. */
  newKey: () => string;
  /** Told before each pause: why, and for how long. */
  waiting: (because: string, milliseconds: number) => void;
}

export type ChangeMethod = 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface ApiRequest {
  method: 'GET' | ChangeMethod;
  path: string;
  headers: Record<string, string>;
  body?: string;
  repeatable: boolean;
  /** How long the head of an answer may take; by default a minute. */
  patienceMilliseconds?: number;
}

export interface GetOptions {
  headers?: Record<string, string>;
  /** For what Berth has to read through first. */
  patienceMilliseconds?: number;
}

export interface ChangeOptions {
  body?: object;
  headers?: Record<string, string>;
  /** False where the server keeps no answers by Idempotency-Key, so that a lost answer may have been a yes. */
  repeatable?: boolean;
}

/** A success, read to its end. */
export interface Answered {
  headers: Headers;
  text: string;
}

const headTimeoutMilliseconds = 60_000;

/** Calls Berth's REST API. Every method throws UnreachableError or RefusedError, whose exit code says which kind of no it was. */
export class ApiClient {
  constructor(private readonly options: ApiClientOptions) {}

  /** Path of the organization's own resources, from segments that need no escaping by the caller. */
  static path(organization: string, ...segments: string[]): string {
    return ['/api/v1/organizations', ...[organization, ...segments].map(encodeURIComponent)].join('/');
  }

  async get<T>(path: string, schema: z.ZodType<T>, options: GetOptions = {}): Promise<T> {
    const { headers, ...patience } = options;
    const request = {
      method: 'GET',
      path,
      headers: { accept: 'application/json', ...headers },
      repeatable: true,
      ...patience,
    } as const;
    return this.parse((await this.sendWithRetry(request)).text, schema);
  }

  /** Changes something, and answers the body. */
  async change<T>(
    method: ChangeMethod,
    path: string,
    schema: z.ZodType<T>,
    options: ChangeOptions = {},
  ): Promise<T> {
    return this.parse((await this.send(method, path, options)).text, schema);
  }

  /** Changes something whose answer is of no interest. */
  async command(method: ChangeMethod, path: string, options: ChangeOptions = {}): Promise<void> {
    await this.send(method, path, options);
  }

  /**
   * Sends a change. Its Idempotency-Key is the same at each try, so that Berth does it once: a cut connection or an answer that never came is followed by
   * another try.
   */
  async send(method: ChangeMethod, path: string, options: ChangeOptions = {}): Promise<Answered> {
    const { body, repeatable = true } = options;
    const headers = {
      accept: 'application/json',
      'idempotency-key': this.options.newKey(),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    };
    return this.sendWithRetry({
      method,
      path,
      headers,
      repeatable,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** All items of a list, page by page. */
  async *list<T>(path: string, item: z.ZodType<T>, filter: Record<string, string> = {}): AsyncGenerator<T> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({
        ...filter,
        limit: String(MAX_PAGE),
        ...(cursor === null ? {} : { cursor }),
      });
      const page: z.infer<typeof pageSchema> = await this.get(`${path}?${query.toString()}`, pageSchema);
      for (const entry of page.items) yield this.check(entry, item);
      cursor = page.nextCursor ?? null;
    } while (cursor !== null);
  }

  /**
   * An answer of any size, as text, piece by piece as it comes. Asked for again until it begins; one that breaks off in the middle throws UnreachableError, since
   * what came is with the caller already.
   */
  async *pieces(path: string, contentType: string): AsyncGenerator<string> {
    const request = { method: 'GET', path, headers: { accept: contentType }, repeatable: true } as const;
    const response = await this.withRetry(request, (answer) => this.ofType(answer, contentType));
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>)
        yield decoder.decode(chunk, { stream: true });
    } catch (error) {
      throw this.broken(error);
    }
    yield decoder.decode();
  }

  /** Opens a stream of server-sent events after event number `after`. The caller reads or cancels the body. */
  async openEvents(path: string, after: number): Promise<Response> {
    const headers = { accept: 'text/event-stream', 'last-event-id': String(after) };
    const response = await this.sendOnce({ method: 'GET', path, headers, repeatable: true });
    return this.ofType(response, 'text/event-stream');
  }

  private async ofType(response: Response, contentType: string): Promise<Response> {
    if (response.headers.get('content-type')?.startsWith(contentType)) return response;
    await response.body?.cancel();
    throw this.notBerth();
  }

  private sendWithRetry(request: ApiRequest): Promise<Answered> {
    // Read here: a connection that is cut in the middle of an answer is one more reason to ask again.
    return this.withRetry(request, async (response) => ({
      headers: response.headers,
      text: await this.textOf(response),
    }));
  }

  private async withRetry<T>(request: ApiRequest, read: (response: Response) => Promise<T>): Promise<T> {
    let waitedMilliseconds = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        return await read(await this.sendOnce(request));
      } catch (error) {
        const next = again({ error, attempt, repeatable: request.repeatable, waitedMilliseconds });
        if (next === null) throw error;
        this.options.waiting(next.because, next.pauseMilliseconds);
        await this.options.sleep(next.pauseMilliseconds, this.options.signal);
        waitedMilliseconds += next.pauseMilliseconds;
      }
    }
  }

  /** Sends once. Throws unless the answer is 2xx. */
  private async sendOnce(request: ApiRequest): Promise<Response> {
    const { method, path, headers, body, patienceMilliseconds = headTimeoutMilliseconds } = request;
    // The time limit ends with the answer's head: an event stream may then be silent for long.
    const head = new AbortController();
    const timer = setTimeout(() => head.abort(new Error('no answer in time')), patienceMilliseconds);
    const { apiKey } = this.options;
    let response: Response;
    try {
      response = await this.options.fetch(`${this.options.url}${path}`, {
        method,
        headers: { ...headers, ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` }) },
        body,
        // A followed redirect would turn a POST into a GET, or carry the key along.
        redirect: 'manual',
        signal: AbortSignal.any([this.options.signal, head.signal]),
      });
    } catch (error) {
      this.options.signal.throwIfAborted();
      throw new UnreachableError(
        `Cannot reach Berth at ${this.options.url}: ${networkReason(error)}. Is it running there? Start it with "berth start", or set BERTH_URL or --url. "berth doctor" looks for the cause.`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return response;
    throw await this.refusal(response);
  }

  private async refusal(response: Response): Promise<RefusedError> {
    const { status, headers } = response;
    const retryAfter = Number(headers.get('retry-after') ?? 'none');
    const parsed = problemSchema.safeParse(parseJson(await response.text().catch(() => '')));
    const problem = parsed.success ? parsed.data : {};
    return new RefusedError({
      status,
      problemCode: problem.code ?? null,
      message: this.refusalText(response, problem.code ?? null, problem.detail ?? problem.title ?? null),
      details: fieldLines(problem.errors ?? []),
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
      requestId: problem.requestId ?? headers.get('x-request-id'),
    });
  }

  private refusalText(
    { status, statusText, headers }: Response,
    code: string | null,
    said: string | null,
  ): string {
    const { url, apiKey } = this.options;
    if (status >= 300 && status < 400)
      return `${url} redirects to ${headers.get('location') ?? 'elsewhere'}. Set BERTH_URL or --url to the final address.`;
    // Berth's own sentence asks for a key, and one was sent.
    if (code === 'unauthenticated' && apiKey !== null)
      return `The API key is not valid at ${url}: it was deleted, has run out, or belongs to another Berth. Sign in with "berth login", or check BERTH_API_KEY or BERTH_API_KEY_FILE.`;
    return said ?? `${url} answered ${status} ${statusText}`.trimEnd() + '.';
  }

  private async textOf(response: Response): Promise<string> {
    return response.text().catch((error: unknown) => {
      throw this.broken(error);
    });
  }

  private broken(error: unknown): UnreachableError {
    this.options.signal.throwIfAborted();
    return new UnreachableError(
      `The connection to ${this.options.url} broke: ${networkReason(error)}. Try again.`,
      { cause: error },
    );
  }

  private parse<T>(text: string, schema: z.ZodType<T>): T {
    return this.check(parseJson(text), schema);
  }

  private check<T>(value: unknown, schema: z.ZodType<T>): T {
    const result = schema.safeParse(value);
    if (!result.success) throw this.notBerth();
    return result.data;
  }

  private notBerth(): CliError {
    return new CliError(
      exitCodes.failed,
      `${this.options.url} did not answer as Berth does. Check BERTH_URL or --url, and that this command is of the same version.`,
    );
  }
}

/** What was answered, or undefined where it is no JSON; the schema then says no. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
