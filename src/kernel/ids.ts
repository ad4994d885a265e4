import { v7 } from 'uuid';

/** Makes new identifiers. UUIDv7 (RFC 9562): ordered by time, so that primary keys are appended and lists can be paged by id. */
export interface Ids {
  next(): string;
}

export const systemIds: Ids = { next: () => v7() };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True when the text is an id as Berth writes it (lower-case UUID). */
export function isId(text: string): boolean {
  return UUID.test(text);
}

/** Below every UUIDv7 that is made from this moment on, and above those before: its first 48 bits are milliseconds. */
export function idsFrom(at: Date): string {
  const hex = at.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/**
 * The short id people see in branch names: the last eight hex digits of a UUIDv7, which are random. (The first digits are
 * time, and equal for workspaces made in the same minute.)
 */
export function shortId(id: string): string {
  return id.slice(-8);
}
