import { isNextDue, keysThatAreOver, publishedKeys, signingKey, waitingKey } from './issuer-key.js';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const MINUTE = 60;
const DAY = 86_400;
const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);
const key = (name: string, signsFromSeconds: number) => ({
  name,
  createdAt: at(signsFromSeconds - 60 * MINUTE),
  signsFrom: at(signsFromSeconds),
});
const names = (keys: { name: string }[]): string[] => keys.map(({ name }) => name);

describe('the keys of the issuer', () => {
  it.each<[string, ReturnType<typeof key>[], string | null, string[], string[]]>([
    ['none', [], null, [], []],
    ['the first', [key('a', 0)], 'a', ['a'], []],
    ['the first, made by a clock that is ahead', [key('a', 5 * MINUTE)], 'a', ['a'], []],
    ['a next one that waits', [key('a', -DAY), key('b', 1)], 'a', ['a', 'b'], []],
    ['a next one at its moment', [key('a', -DAY), key('b', 0)], 'b', ['a', 'b'], []],
    [
      'a former one whose signatures are about',
      [key('a', -DAY), key('b', -59 * MINUTE)],
      'b',
      ['a', 'b'],
      [],
    ],
    ['a former one that is over', [key('a', -DAY), key('b', -60 * MINUTE)], 'b', ['b'], ['a']],
    [
      'a former one, one that signs, one that waits',
      [key('a', -2 * DAY), key('b', -30 * MINUTE), key('c', 15 * MINUTE)],
      'b',
      ['a', 'b', 'c'],
      [],
    ],
    [
      'many that are over',
      [key('a', -9 * DAY), key('b', -6 * DAY), key('c', -3 * DAY)],
      'c',
      ['c'],
      ['a', 'b'],
    ],
  ])('%s: which signs, which are published, which are over', (_, keys, signing, published, over) => {
    expect(signingKey(keys, NOW)?.name ?? null).toBe(signing);
    expect(names(publishedKeys(keys, NOW))).toEqual(published);
    expect(names(keysThatAreOver(keys, NOW))).toEqual(over);
  });

  it('never publishes too late, nor stops too early, whichever second it is', () => {
    const keys = [key('a', -DAY), key('b', 0)];
    for (let second = -3600; second <= 3600 + 540; second += 10) {
      const signer = signingKey(keys, at(second));
      // Whatever is signed now is checked until its assertion is over, also by whoever fetched the keys 15 minutes ago.
      for (const checked of [second - 15 * MINUTE, second, second + 540])
        expect(names(publishedKeys(keys, at(checked)))).toContain(signer?.name);
    }
  });

  it.each<[string, ReturnType<typeof key>[], number, boolean]>([
    ['none', [], 0, true],
    ['one, and never by itself', [key('a', -9999 * DAY)], 0, false],
    ['one that is new', [key('a', -29 * DAY)], 30, false],
    ['one that is old', [key('a', -30 * DAY)], 30, true],
    ['an old one, and the next that waits', [key('a', -30 * DAY), key('b', 60)], 30, false],
  ])('%s, with %d days: the next is due %s', (_, keys, days, isDue) => {
    expect(isNextDue(keys, NOW, days)).toBe(isDue);
  });

  it('has one at a time that waits', () => {
    expect(waitingKey([], NOW)).toBeNull();
    expect(waitingKey([key('a', 60)], NOW)).toBeNull();
    expect(waitingKey([key('a', -DAY), key('b', 60)], NOW)?.name).toBe('b');
    expect(waitingKey([key('a', -DAY), key('b', 0)], NOW)).toBeNull();
  });
});
