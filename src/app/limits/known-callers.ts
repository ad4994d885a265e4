import { createHash } from 'node:crypto';
import { parse } from 'cookie';
import type { Request } from 'express';
import { SESSION_COOKIE } from '../auth/strategies.js';

const MAX_KNOWN = 10_000;

/**
 * Remembers whose requests a credential's are counted with, so that one beyond the limit is refused before the database is asked who calls. Only what was proven once is in here, by
 * a hash of the whole credential: nobody can use up another tenant's limit with a wrong key.
 */
export class KnownCallers {
  readonly #keys = new Map<string, string>();

  /** The key under which this request will be counted, if that is known. */
  find(request: Request): string | null {
    const name = nameOf(request);
    return name === null ? null : (this.#keys.get(name) ?? null);
  }

  remember(request: Request, key: string): void {
    const name = nameOf(request);
    if (name === null) return;
    // Set anew, so that the first of the map is the one not seen for the longest time.
    this.#keys.delete(name);
    this.#keys.set(name, key);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > MAX_KNOWN && oldest !== undefined) this.#keys.delete(oldest);
  }
}

/** The credential, and the organization as the path names it: a session reaches several. */
function nameOf(request: Request): string | null {
  const credential =
    request.headers.authorization ?? parse(request.headers.cookie ?? '')[SESSION_COOKIE] ?? null;
  if (credential === null) return null;
  const organization = /^\/api\/v1\/organizations\/([^/]+)/.exec(request.originalUrl)?.[1] ?? '';
  return createHash('sha256').update(`${organization}\n${credential}`).digest('base64');
}
