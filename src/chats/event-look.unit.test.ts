import { MAX_EVENTS } from '../contracts/index.js';
import { shareOut, spanOf } from './event-look.js';

const events = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => ({
    seq: from + at,
    type: 'agent.text',
    at: new Date(0),
    data: {},
  }));
const seqs = (after: number[], read: ReturnType<typeof events>) =>
  shareOut(after, read).map((found) => found.events.map(({ seq }) => seq));

describe('looks that share a read', () => {
  it('are those after nearly the same number', () => {
    expect([0, 1, 99].map(spanOf)).toEqual([0, 0, 0]);
    expect([100, 199, 200, 999_999_999_999_999].map(spanOf)).toEqual([1, 1, 2, 9_999_999_999_999]);
  });

  it('get each what is after their number, and nothing before', () => {
    expect(seqs([3, 5, 4, 9], events(4, 6))).toEqual([[4, 5, 6], [6], [5, 6], []]);
    expect(seqs([3, 3], [])).toEqual([[], []]);
  });

  it('share the list when they look after the same number', () => {
    const [one, two] = shareOut([3, 3], events(4, 6));
    expect(one?.events).toBe(two?.events);
  });

  it('are told whether there may be more; nobody of a span goes without any then', () => {
    const span = Array.from({ length: 100 }, (_, at) => 500 + at);
    const full = shareOut(span, events(501, 500 + MAX_EVENTS));
    expect(full.every((found) => found.more && found.events.length > 0)).toBe(true);
    expect(shareOut(span, events(501, 499 + MAX_EVENTS)).some(({ more }) => more)).toBe(false);
  });
});
