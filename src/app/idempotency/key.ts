import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RouteContract } from '../../contracts/index.js';
import { invalid } from '../../http/index.js';

export const IDEMPOTENCY_HEADER = 'idempotency-key';
const FORM = /^[\x20-\x7e]{1,255}$/;

/** Who a key belongs to: one person, in one organization or (null) outside of all. `anyone` is whoever calls a route that asks for nobody. */
export interface KeyScope {
  organizationId: string | null;
  personId: string;
}
export const ANYONE = 'anyone';

/** Whether a route keeps its answers for who asks for it: all that change something for people. Machines number what they report. */
export function takesKey({ method, path }: Pick<RouteContract, 'method' | 'path'>): boolean {
  return method !== 'GET' && path.startsWith('/api/v1/');
}

/** The key the caller chose for this request; null for none. Throws `validation-failed` for what is none. */
export function keyOf({ headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>): string | null {
  const given = headersDistinct[IDEMPOTENCY_HEADER];
  if (given === undefined) return null;
  const [key] = given;
  if (given.length === 1 && key !== undefined && FORM.test(key)) return key;
  const message = 'must be one text of 1 to 255 printable ASCII characters';
  throw invalid([{ path: `header.${IDEMPOTENCY_HEADER}`, message }]);
}

/** Under which name an answer is locked and kept. A digest: what people put into keys is theirs. */
export function answerId({ organizationId, personId }: KeyScope, key: string): string {
  const parts = JSON.stringify([organizationId, personId, key]);
  return createHash('sha256').update(parts).digest('base64url');
}
