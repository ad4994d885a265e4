import type { AnswerBody } from './token-endpoint.js';

/** Without digits: keys and tokens have some. */
const WORD = /^[a-z][a-z_]{0,63}$/i;

/** The value when it is one short word, else null: free text may repeat what was sent. */
export function word(value: unknown): string | null {
  return typeof value === 'string' && WORD.test(value) ? value : null;
}

/** The error's name, wherever the provider puts it: `code` beside or in `error`, `error` itself, or its `type` (providers.md 1.3, 1.8, 4.3). */
export function wordOf(body: AnswerBody): string | null {
  const { error, code } = body;
  const inner = typeof error === 'object' && error !== null ? (error as AnswerBody) : {};
  return word(inner.code) ?? word(code) ?? word(error) ?? word(inner.type);
}

/** A token that can stand in a header: printable, without spaces, of a bearable length; else null. */
export function tokenIn(value: unknown): string | null {
  return typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value) ? value : null;
}

/** What is assumed where nobody says how long a token lives: soon renewed is better than found dead. */
const ASSUMED_SECONDS = 3600;
const MAX_SECONDS = 366 * 24 * 3600;

/** When a token runs out by `expires_in`, else by what else is known of it, else in an hour. */
export function endOf(expiresIn: unknown, known: Date | null, now: Date): Date {
  if (typeof expiresIn !== 'number' || !Number.isFinite(expiresIn) || expiresIn < 0) {
    return known ?? after(now, ASSUMED_SECONDS);
  }
  return after(now, Math.min(expiresIn, MAX_SECONDS));
}

const after = (now: Date, seconds: number): Date => new Date(now.getTime() + seconds * 1000);
