import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { IDEMPOTENCY_HEADER } from './key.js';

const bodies = new WeakMap<IncomingMessage, string>();

/** Notes the bytes of a body as it is read, for requests that come with a key. To be given to the body's parser. */
export function noteBody(request: IncomingMessage, _response: unknown, bytes: Buffer): void {
  if (request.headers[IDEMPOTENCY_HEADER] !== undefined)
    bodies.set(request, createHash('sha256').update(bytes).digest('base64url'));
}

/**
 * By what a second request is known to be the first one again: method, path, query and body, byte for byte. A body may hold a password that could be guessed from
 * this, so it is kept sealed.
 */
export function fingerprintOf(request: IncomingMessage & { originalUrl: string }): string {
  const parts = [request.method, request.originalUrl, bodies.get(request) ?? null];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
