import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** How a request named its caller. `both`: `x-api-key` and `authorization` at once (the value is then that of `x-api-key`). */
export interface ReceivedCredential {
  kind: 'x-api-key' | 'bearer' | 'basic' | 'aws' | 'both' | 'none';
  /** As received; of Basic the decoded `user:password`, of a signature of AWS's the id of the key. Empty for `none`. */
  value: string;
}

/** One request as it arrived. */
export interface LedgerEntry {
  /** ISO 8601, UTC. */
  at: string;
  /** Its place among the requests to all emulators of this process. */
  arrival: number;
  method: string;
  /** Without the query. */
  path: string;
  /** With its question mark, or empty. */
  query: string;
  headers: IncomingHttpHeaders;
  credential: ReceivedCredential;
  /** The model asked for, once the body was read. */
  model: string | null;
  /** What persons had said in the conversation of a model call, oldest first; null for every other call. */
  asked: string[] | null;
  /** What the answer of a model call counts, once it is known; also of one that is cut. */
  tokens: { input: number; output: number } | null;
  /** What a token endpoint was asked for, once the body was read. */
  grant: string | null;
  /** With which refresh token, if with one. */
  refreshToken: string | null;
  /** Of GraphQL the first root field, once the body was read. */
  operation: string | null;
  /** The answer's status; null while there is no head (a hang, a cut before the head). */
  status: number | null;
}

let arrivals = 0;

/** Writes down a request at its arrival. */
export function entryOf(request: IncomingMessage, at: Date): LedgerEntry {
  const url = new URL(request.url ?? '/', 'http://emulator');
  return {
    at: at.toISOString(),
    arrival: (arrivals += 1),
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.search,
    headers: request.headers,
    credential: credentialOf(request.headers),
    model: null,
    asked: null,
    tokens: null,
    grant: null,
    refreshToken: null,
    operation: null,
    status: null,
  };
}

/** Reads the credential from the two headers the providers know. */
export function credentialOf(headers: IncomingHttpHeaders): ReceivedCredential {
  const apiKey = headers['x-api-key'];
  const authorization = headers.authorization;
  if (typeof apiKey === 'string') {
    return { kind: authorization === undefined ? 'x-api-key' : 'both', value: apiKey };
  }
  const bearer = bearerOf(headers);
  if (bearer !== undefined) return { kind: 'bearer', value: bearer };
  const basic = /^Basic\s+(.*)$/i.exec(authorization ?? '')?.[1];
  if (basic !== undefined) return { kind: 'basic', value: Buffer.from(basic, 'base64').toString('utf8') };
  const accessKeyId = /^AWS4-HMAC-SHA256 Credential=([^/,]+)\//.exec(authorization ?? '')?.[1];
  if (accessKeyId !== undefined) return { kind: 'aws', value: accessKeyId };
  return { kind: 'none', value: '' };
}

/** The bearer token of a request, whatever other credential it carries. */
export function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  return /^Bearer\s+(.*)$/i.exec(headers.authorization ?? '')?.[1];
}

/** The credentials an emulator knows. */
export class KnownCredentials {
  readonly #accepted = new Set<string>();
  readonly #revoked = new Set<string>();

  /** `marker`: any credential that contains it is known too, so that a person can try Berth with made-up keys. */
  constructor(private readonly marker: string | null) {}

  accept(credential: string): void {
    this.#revoked.delete(credential);
    this.#accepted.add(credential);
  }

  revoke(credential: string): void {
    this.#accepted.delete(credential);
    this.#revoked.add(credential);
  }

  knows(credential: string): boolean {
    if (this.#revoked.has(credential)) return false;
    return this.#accepted.has(credential) || (this.marker !== null && credential.includes(this.marker));
  }
}
