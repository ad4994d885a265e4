import * as http from 'node:http';
import * as https from 'node:https';

/** The body of an answer, when it is a JSON object. */
export type AnswerBody = Readonly<Record<string, unknown>>;

/**
 * What came of one call. `not-sent`: no connection came about, so that surely nothing was asked. `no-answer`: it was sent, or may have been, and no status came back.
 * `body` is null when it is not a JSON object, too long or cut; `unreadable` says which.
 */
export type Posted =
  | {
      kind: 'answered';
      status: number;
      body: AnswerBody | null;
      unreadable: string | null;
      retryAfterSeconds: number | null;
    }
  | { kind: 'not-sent'; reason: string }
  | { kind: 'no-answer'; reason: string };

/** What is sent: Claude and OpenAI take JSON for one grant and a form for another (providers.md 1.2, 4.1, 4.3). */
export type PostedBody = ({ json: object } | { form: Record<string, string> }) & {
  /** Besides the usual ones. */
  headers?: Record<string, string>;
};

export interface PostLimits {
  /** From the first try to connect to the last byte. A call that was sent is never given up earlier: its answer may be the only copy of the next refresh token. */
  deadlineSeconds: number;
  connectSeconds: number;
  maxBytes: number;
}

export const POST_LIMITS: PostLimits = { deadlineSeconds: 200, connectSeconds: 20, maxBytes: 64 * 1024 };

/**
 * Asks a token endpoint, once, over a connection of its own: on a kept one nobody could tell a request that the server never read from one that it carried out. Redirects are not
 * followed, since the body is a secret. Never rejects.
 */
export function post(url: string, body: PostedBody, limits: PostLimits = POST_LIMITS): Promise<Posted> {
  const { type, text } = encoded(body);
  const headers = {
    ...body.headers,
    'content-type': type,
    'content-length': String(Buffer.byteLength(text)),
  };
  return new Promise((resolve) => new Call(new URL(url), { method: 'POST', headers, text }, limits, resolve));
}

/** Asks as `post` does, for what is given for the asking: GitHub mints identity tokens so. */
export function get(
  url: string,
  headers: Record<string, string>,
  limits: PostLimits = POST_LIMITS,
): Promise<Posted> {
  return new Promise(
    (resolve) => new Call(new URL(url), { method: 'GET', headers, text: '' }, limits, resolve),
  );
}

function encoded(body: PostedBody): { type: string; text: string } {
  if ('json' in body) return { type: 'application/json', text: JSON.stringify(body.json) };
  return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(body.form).toString() };
}

interface Sent {
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  text: string;
}

class Call {
  readonly #request: http.ClientRequest;
  readonly #timers: NodeJS.Timeout[];
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #wasConnected = false;
  #response: http.IncomingMessage | null = null;

  constructor(
    private readonly url: URL,
    { method, headers, text }: Sent,
    private readonly limits: PostLimits,
    private readonly resolve: (posted: Posted) => void,
  ) {
    const isSecure = url.protocol === 'https:';
    this.#request = (isSecure ? https : http).request(url, {
      method,
      agent: false,
      headers: {
        ...headers,
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'berth',
      },
    });
    this.#request.once('socket', (socket) =>
      socket.once(isSecure ? 'secureConnect' : 'connect', () => (this.#wasConnected = true)),
    );
    this.#request.once('response', (response) => this.#read(response));
    this.#request.on('error', (error) => this.#fail(error));
    this.#timers = [
      this.#after(limits.deadlineSeconds, () => true),
      this.#after(limits.connectSeconds, () => !this.#wasConnected),
    ];
    this.#request.end(text);
  }

  #after(seconds: number, isOver: () => boolean): NodeJS.Timeout {
    return setTimeout(() => {
      if (!isOver()) return;
      this.#fail(new Error(`no answer within ${seconds} s`));
      this.#request.destroy();
    }, seconds * 1000);
  }

  #read(response: http.IncomingMessage): void {
    this.#response = response;
    response.on('data', (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size <= this.limits.maxBytes) {
        this.#chunks.push(chunk);
        return;
      }
      this.#answered(null, `is longer than ${this.limits.maxBytes / 1024} KiB`);
      this.#request.destroy();
    });
    response.once('end', () => {
      const body = objectIn(Buffer.concat(this.#chunks).toString('utf8'));
      this.#answered(body, body ? null : 'is not a JSON object');
    });
    response.once('error', (error) => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#response) this.#answered(null, 'broke off');
    else if (this.#wasConnected) this.#finish({ kind: 'no-answer', reason: this.#said(error) });
    else this.#finish({ kind: 'not-sent', reason: this.#said(error) });
  }

  #answered(body: AnswerBody | null, unreadable: string | null): void {
    const { statusCode = 0, headers } = this.#response ?? { headers: {} };
    const retryAfterSeconds = secondsIn(headers['retry-after'], new Date(headers.date ?? NaN));
    this.#finish({ kind: 'answered', status: statusCode, body, unreadable, retryAfterSeconds });
  }

  /** The first one counts; a promise takes no other. */
  #finish(posted: Posted): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.resolve(posted);
  }

  /** By the error's code: its message may repeat what was sent. */
  #said(error: Error & { code?: string }): string {
    return `${this.url.host}: ${error.code ?? error.message}`;
  }
}

function objectIn(text: string): AnswerBody | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as AnswerBody)
      : null;
  } catch {
    return null;
  }
}

const MIN_WAIT_SECONDS = 5;
const MAX_WAIT_SECONDS = 300;

/** `retry-after` in seconds or as a date (RFC 9110, 10.2.3), within bounds: 0 was seen, and would be a busy loop (providers.md 1.3). Null when it says nothing. */
export function secondsIn(retryAfter: string | undefined, answeredAt: Date): number | null {
  if (retryAfter === undefined) return null;
  const seconds = /^\d+$/.test(retryAfter)
    ? Number(retryAfter)
    : (Date.parse(retryAfter) - answeredAt.getTime()) / 1000;
  return Number.isNaN(seconds) ? null : Math.min(MAX_WAIT_SECONDS, Math.max(MIN_WAIT_SECONDS, seconds));
}
