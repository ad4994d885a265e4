import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const BEARER = /^Bearer +(\S+)$/i;

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * What an agent shows instead of a credential. Only its digest is kept, and digests are compared, so that neither length nor content of a guess
 * shows in the time it takes.
 */
export class Placeholder {
  readonly #digest: Buffer | null;

  /** Null: whoever reaches this server may send, with whatever key or none. */
  constructor(text: string | null) {
    this.#digest = text === null ? null : digestOf(text);
  }

  /** True for the same placeholder. */
  equals(other: Placeholder): boolean {
    if (!this.#digest || !other.#digest) return this.#digest === other.#digest;
    return timingSafeEqual(this.#digest, other.#digest);
  }

  /**
   * True when a request carries it as `Authorization: Bearer` or as `x-api-key`. One of the two is enough: Claude Code sends both with different
   * values when both variables are set (agents.md section 2), and neither travels on.
   */
  isCarriedBy(headers: IncomingHttpHeaders): boolean {
    const digest = this.#digest;
    if (!digest) return true;
    const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
    return [bearer, headers['x-api-key']].some(
      (shown) => typeof shown === 'string' && timingSafeEqual(digestOf(shown), digest),
    );
  }
}
