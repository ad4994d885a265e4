import { isId } from '../kernel/ids.js';
import type { PageQuery } from '../contracts/index.js';
import { invalid } from './input.js';

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Lists are paged by id (UUIDv7, so by time); the cursor is the last id seen. Stores are asked for one row more than the page holds. */
export interface Slice {
  after: string | null;
  take: number;
}

export function sliceOf({ limit, cursor }: PageQuery): Slice {
  if (cursor !== undefined && !isId(cursor))
    throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  return { after: cursor ?? null, take: limit + 1 };
}

export function pageOf<Row extends { id: string }, View>(
  rows: Row[],
  slice: Slice,
  view: (row: Row) => View,
): Page<View> {
  const shown = rows.slice(0, slice.take - 1);
  const last = shown.at(-1);
  return { items: shown.map(view), nextCursor: rows.length >= slice.take && last ? last.id : null };
}
