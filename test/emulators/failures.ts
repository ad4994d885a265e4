import { z } from 'zod';
import type { LedgerEntry } from './ledger.js';

/**
 * A failure to play on demand, as code gives it to `fail()` and as `POST /_control/fail` takes it.
 * - `status`: answer with `status` (and `body`, else the provider's usual body for it).
 * - `cut-before-head`: reset the connection before any byte of an answer.
 * - `cut-mid-stream`: answer 200, send `afterEvents` events (or half of a plain body), then close the connection.
 * - `error-mid-stream`: the same, but the stream tells the error `body` and ends in order (Bedrock alone).
 * - `hang`: take the request and never answer.
 * - `html`: answer `status` with a page, as gates and captive portals before an API do.
 * - `redirect`: answer 307 to another path here; whoever follows stands in the ledger.
 *
 * For calls of a token endpoint and of Linear's GraphQL alone, where it matters whether the call took effect:
 * - `hold-before`, `hold-after`: wait for `logins.release()` (of GraphQL: `release()`) before it takes effect, or between that and the answer.
 * - `lost-answer`: it takes effect, then the connection is reset.
 * - `garbage`, `huge`: it takes effect, and the answer cannot be read, or has 10 MB.
 * - `no-refresh-token`: a new access token alone; the refresh token goes on to serve.
 * `cut-mid-stream` cuts the answer after it took effect, the modes above before it does.
 */
export const failureRuleSchema = z.strictObject({
  mode: z
    .enum([
      'status',
      'cut-before-head',
      'cut-mid-stream',
      'error-mid-stream',
      'hang',
      'html',
      'redirect',
      'hold-before',
      'hold-after',
      'lost-answer',
      'garbage',
      'huge',
      'no-refresh-token',
    ])
    .default('status'),
  /** All given fields must fit. Without `match`, any request of the provider's main kind fits (a model call, a git call). */
  match: z
    .strictObject({
      method: z.string().optional(),
      /** Start of the path, without the query. */
      path: z.string().optional(),
      /** The whole credential as received. */
      credential: z.string().optional(),
      model: z.string().optional(),
      /** Of a token endpoint: `refresh_token`, `authorization_code`, `device`. */
      grant: z.string().optional(),
      /** Of a token endpoint: the refresh token that it is asked with. */
      refreshToken: z.string().optional(),
      /** Of GraphQL: the first root field. */
      operation: z.string().optional(),
    })
    .optional(),
  status: z.int().min(400).max(599).default(500),
  body: z.unknown().optional(),
  headers: z.record(z.string(), z.string()).default({}),
  /** How many requests fail; `always` lasts until `reset()`. */
  times: z.union([z.int().positive(), z.literal('always')]).default(1),
  /** For `cut-mid-stream`: whole events sent before the cut. The default ends inside the first block of the answer. */
  afterEvents: z.int().min(0).optional(),
});
export type FailureRule = z.input<typeof failureRuleSchema>;
export type Failure = z.output<typeof failureRuleSchema>;

/** The failures still to be played, oldest first. */
export class Failures {
  #open: { rule: Failure; left: number }[] = [];

  add(rule: FailureRule): void {
    const parsed = failureRuleSchema.parse(rule);
    this.#open.push({ rule: parsed, left: parsed.times === 'always' ? Infinity : parsed.times });
  }

  clear(): void {
    this.#open = [];
  }

  /** The failure this request must meet, used up by one; null when it may pass. `isMainCall` says what a rule without `match` fits. */
  take(entry: LedgerEntry, isMainCall: boolean): Failure | null {
    const hit = this.#open.find(({ rule }) => fits(rule, entry, isMainCall));
    if (!hit) return null;
    hit.left -= 1;
    this.#open = this.#open.filter(({ left }) => left > 0);
    return hit.rule;
  }
}

function fits({ match }: Failure, entry: LedgerEntry, isMainCall: boolean): boolean {
  if (!match) return isMainCall;
  return (
    (match.method === undefined || match.method === entry.method) &&
    (match.path === undefined || entry.path.startsWith(match.path)) &&
    (match.credential === undefined || match.credential === entry.credential.value) &&
    (match.model === undefined || match.model === entry.model) &&
    (match.grant === undefined || match.grant === entry.grant) &&
    (match.refreshToken === undefined || match.refreshToken === entry.refreshToken) &&
    (match.operation === undefined || match.operation === entry.operation)
  );
}
