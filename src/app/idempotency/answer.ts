import type { OutgoingHttpHeaders } from 'node:http';
import { isConflict } from '../../database/index.js';
import type { WrittenProblem } from '../problem.js';
import { ANYONE, type KeyScope } from './key.js';

export type Headers = Record<string, string | string[]>;

/** An answer as it went out: what a retry gets again. */
export interface Answer {
  status: number;
  headers: Headers;
  /** JSON; null for no body. */
  body: string | null;
}

/** An answer together with what it was an answer to. */
export interface KeptAnswer extends Answer {
  fingerprint: string;
}

/** The headers that a handler added or changed. What the edge gave the response before is given to each request anew. */
export function addedHeaders(before: OutgoingHttpHeaders, after: OutgoingHttpHeaders): Headers {
  const added: Headers = {};
  for (const [name, value] of Object.entries(after)) {
    if (value === undefined || JSON.stringify(value) === JSON.stringify(before[name])) continue;
    added[name] = Array.isArray(value) ? value : String(value);
  }
  return added;
}

/** What asks to be tried again cannot be the last word: too many requests, not able to at the moment. */
const PASSING = new Set([429, 503]);

/**
 * Whether a refusal is the request's answer for good. One that passes is not, nor is one of who is nobody yet: it changed nothing, and anyone could fill the database
 * with them.
 */
export function isFinal(thrown: unknown, { status }: WrittenProblem, { personId }: KeyScope): boolean {
  if (PASSING.has(status) || isConflict(thrown)) return false;
  return status >= 500 || personId !== ANYONE;
}
