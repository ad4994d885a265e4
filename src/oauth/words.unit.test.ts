import { secondsIn } from './token-endpoint.js';
import { endOf, tokenIn, wordOf } from './words.js';

const NOW = new Date('2026-11-25T12:00:00Z');
const SECRET = 'sk-ant-ort01-never-to-be-repeated';

describe('how long', () => {
  it.each<[unknown, Date | null, string]>([
    [60, null, '2026-11-25T12:01:00Z'],
    [0, null, '2026-11-25T12:00:00Z'],
    [undefined, null, '2026-11-25T13:00:00Z'],
    [undefined, new Date('2026-12-01T00:00:00Z'), '2026-12-01T00:00:00Z'],
    ['60', null, '2026-11-25T13:00:00Z'],
    [-5, null, '2026-11-25T13:00:00Z'],
    [Infinity, null, '2026-11-25T13:00:00Z'],
    [1e300, null, '2027-11-26T12:00:00Z'],
  ])('a token lives that says %p', (said, known, end) => {
    expect(endOf(said, known, NOW)).toEqual(new Date(end));
  });

  it.each<[string | undefined, number | null]>([
    [undefined, null],
    ['0', 5],
    ['7', 7],
    ['99999', 300],
    ['Wed, 25 Nov 2026 12:00:30 GMT', 30],
    ['Wed, 25 Nov 2026 11:00:00 GMT', 5],
    ['soon', null],
  ])('to wait after %p', (said, seconds) => {
    expect(secondsIn(said, NOW)).toBe(seconds);
  });
});

it('finds the word of an error wherever it stands, and never free text', () => {
  expect(wordOf({ error: { code: 'one', type: 'two' } })).toBe('one');
  expect(wordOf({ error: { type: 'two' } })).toBe('two');
  expect(wordOf({ error: 'three' })).toBe('three');
  expect(wordOf({ error: `token ${SECRET} is bad` })).toBeNull();
  // The app's own secret, which looks like a word but for its digits.
  expect(wordOf({ error: 'uwtaZq8rT1vLw6Yb3Nc0Xd5Me9Kf2' })).toBeNull();
  expect(tokenIn('x'.repeat(20_000))).toBeNull();
});
