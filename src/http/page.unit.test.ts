import { pageQuerySchema } from '../contracts/index.js';
import { systemIds } from '../kernel/index.js';
import { pageOf, sliceOf } from './page.js';

const rows = Array.from({ length: 23 }, () => ({ id: systemIds.next() }));

/** As a store reads: one more than the page holds, after the cursor. */
const read = ({ after, take }: { after: string | null; take: number }) =>
  rows.filter(({ id }) => after === null || id > after).slice(0, take);

describe('pages', () => {
  it.each([1, 2, 7, 22, 23, 24, 100])('of %i hold every row once and end with a null cursor', (limit) => {
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let pages = 0; ; pages++) {
      const slice = sliceOf({ limit, cursor });
      const { items, nextCursor } = pageOf(read(slice), slice, ({ id }) => id);
      expect(items.length).toBeLessThanOrEqual(limit);
      seen.push(...items);
      if (nextCursor === null) break;
      expect(items).toHaveLength(limit);
      expect(pages).toBeLessThan(rows.length);
      cursor = nextCursor;
    }
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it('has no next page after a list that is empty', () => {
    const slice = sliceOf({ limit: 5 });
    expect(pageOf([], slice, (row) => row)).toEqual({ items: [], nextCursor: null });
  });

  it.each(['', 'x', '1', rows[0]?.id.toUpperCase() ?? '', `${rows[0]?.id ?? ''}'; drop table`])(
    'refuses the cursor %j',
    (cursor) => {
      expect(() => sliceOf({ limit: 5, cursor })).toThrow('query.cursor: is not a cursor of this list');
    },
  );

  it.each<[Record<string, unknown>, number | null]>([
    [{}, 50],
    [{ limit: '1' }, 1],
    [{ limit: '100' }, 100],
    [{ limit: '101' }, null],
    [{ limit: '0' }, null],
    [{ limit: '-1' }, null],
    [{ limit: '1.5' }, null],
    [{ limit: '' }, null],
    [{ limit: 'all' }, null],
    [{ limit: 'Infinity' }, null],
    [{ limit: ['1', '2'] }, null],
    [{ limt: '1' }, null],
  ])('the query %j asks for %p', (query, limit) => {
    const parsed = pageQuerySchema.safeParse(query);
    expect(parsed.success ? parsed.data.limit : null).toBe(limit);
  });
});
