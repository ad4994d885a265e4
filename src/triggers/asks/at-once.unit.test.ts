import { atOnce, timesAtOnce, type AskedBefore } from './at-once.js';

const answeredAt = new Date('2026-03-02T09:15:00.000Z');
const before: AskedBefore = { askerId: 'ann', atOnce: 1, answeredAt };
const after = (seconds: number): Date => new Date(answeredAt.getTime() + seconds * 1000);

describe('how often in a row it was asked at once', () => {
  it.each<[string, AskedBefore | null, { askerId: string | null; characters: number }, number, number]>([
    ['the first there is', null, { askerId: 'ann', characters: 9 }, 1, 0],
    ['faster than anybody types', before, { askerId: 'ann', characters: 30 }, 5.9, 2],
    ['as fast as somebody types', before, { askerId: 'ann', characters: 30 }, 6, 0],
    ['a word, as fast as it can be written', before, { askerId: 'ann', characters: 3 }, 3.5, 0],
    ['long, and faster than it is put in', before, { askerId: 'ann', characters: 5000 }, 7.9, 2],
    ['long, and put in', before, { askerId: 'ann', characters: 5000 }, atOnce.longestSeconds, 0],
    ['by somebody else', before, { askerId: 'bob', characters: 30 }, 1, 0],
    ['by nobody', { ...before, askerId: null }, { askerId: null, characters: 30 }, 1, 0],
    ['before there was an answer', { ...before, answeredAt: null }, { askerId: 'ann', characters: 30 }, 1, 0],
    ['by a clock that is behind', before, { askerId: 'ann', characters: 30 }, -1, 2],
  ])('%s', (_, asked, ask, seconds, times) => {
    expect(timesAtOnce(asked, ask, after(seconds))).toBe(times);
  });
});
