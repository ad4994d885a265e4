import type {
  AuditAction,
  AuditActor,
  AuditDetails,
  AuditEntryView,
  AuditSubject,
} from '../contracts/index.js';
import { hashOfEntry, type ChainHead } from '../kernel/index.js';

/** What is to be booked, before it has its place in a chain. */
export interface NewEntry {
  action: AuditAction;
  actor: AuditActor;
  subject: AuditSubject | null;
  details?: AuditDetails;
}

/** Berth itself, by the name of the part that acts. */
export function systemActor(name: string): AuditActor {
  return { type: 'system', id: null, name, apiKeyId: null };
}

/** Somebody who proved nothing. */
export const ANONYMOUS: AuditActor = { type: 'anonymous', id: null, name: null, apiKeyId: null };

const MAX_CHARACTERS = 500;

/** The entry that follows `head`, with its hash. */
export function nextEntry(
  head: ChainHead,
  { action, actor, subject, details = {} }: NewEntry,
  at: Date,
  requestId: string | null,
): AuditEntryView {
  const entry = {
    chain: head.chain,
    seq: head.seq + 1,
    at: at.toISOString(),
    action,
    actor: clean(actor),
    subject: clean(subject),
    details: clean(details),
    requestId,
    previousHash: head.hash,
  };
  return { ...entry, hash: hashOfEntry(entry) };
}

/**
 * Texts as Postgres gives them back: what it would refuse or change (NUL, half a character) would make the entry impossible, or its hash another. And bounded: names
 * come from people.
 */
function clean<T>(value: T): T {
  if (typeof value === 'string')
    return Buffer.from(value.slice(0, MAX_CHARACTERS)).toString().replaceAll('\u0000', '\ufffd') as T;
  if (Array.isArray(value)) return value.map((item: unknown) => clean(item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const present = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(present.map(([key, item]) => [key, clean(item as unknown)])) as T;
}
