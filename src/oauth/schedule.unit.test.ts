import {
  dueAt,
  isPausing,
  isStoodDown,
  reasonToRenew,
  retryAfter,
  serves,
  type TokenState,
} from './schedule.js';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const inSeconds = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);
const token = (more: Partial<TokenState> = {}): TokenState => ({
  generation: 3,
  expiresAt: inSeconds(3600),
  renewAt: inSeconds(2700),
  refusedGeneration: null,
  forcedGeneration: null,
  failures: 0,
  retryAt: null,
  ...more,
});

describe('a token', () => {
  it.each<[string, Partial<TokenState>, boolean, ReturnType<typeof reasonToRenew>]>([
    ['fresh', {}, true, null],
    ['due', { renewAt: inSeconds(0) }, true, 'due'],
    ['due, and nobody used it then', { renewAt: null }, true, 'due'],
    [
      'that runs out while a lease lasts',
      { expiresAt: inSeconds(5), renewAt: inSeconds(-60) },
      false,
      'expired',
    ],
    ['that has run out', { expiresAt: inSeconds(-1), renewAt: inSeconds(-60) }, false, 'expired'],
    ['that has run out while nobody used it', { expiresAt: inSeconds(-1), renewAt: null }, false, 'expired'],
    [
      'with a life that is shorter than any lease',
      { expiresAt: inSeconds(3), renewAt: inSeconds(30) },
      true,
      null,
    ],
    ['without an end', { expiresAt: null, renewAt: null }, true, null],
    ['refused', { refusedGeneration: 3 }, false, 'rejected'],
    ['whose former one was refused', { refusedGeneration: 2 }, true, null],
    ['that a person wants renewed', { forcedGeneration: 3 }, true, 'forced'],
    ['that a person wanted renewed, and it was', { forcedGeneration: 2 }, true, null],
    ['that was never there', { generation: 0, expiresAt: null, renewAt: null }, false, 'expired'],
  ])('%s', (_, more, isServing, reason) => {
    expect(serves(token(more), NOW)).toBe(isServing);
    expect(reasonToRenew(token(more), NOW)).toBe(reason);
  });

  it('pauses until the very moment', () => {
    expect(isPausing(token({ retryAt: inSeconds(1) }), NOW)).toBe(true);
    expect(isPausing(token({ retryAt: NOW }), NOW)).toBe(false);
    expect(isPausing(token(), NOW)).toBe(false);
  });

  it('does not pause for years after its clock was years ahead', () => {
    const longest = retryAfter(NOW, { failures: 50, urgent: false, saidSeconds: null, expiresAt: null }, 1);
    expect(isPausing(token({ retryAt: longest }), NOW)).toBe(true);
    expect(isPausing(token({ retryAt: new Date(longest.getTime() + 1) }), NOW)).toBe(false);
  });

  it.each<[string, Partial<TokenState>, boolean]>([
    ['four failures', { failures: 4, expiresAt: inSeconds(0), renewAt: null }, false],
    ['five failures', { failures: 5, expiresAt: inSeconds(0), renewAt: null }, true],
    ['five failures while it serves', { failures: 5 }, false],
    [
      'one failure, and a next try that nobody waits for',
      { failures: 1, expiresAt: inSeconds(0), renewAt: null, retryAt: inSeconds(21) },
      true,
    ],
    [
      'one failure, and a next try soon',
      { failures: 1, expiresAt: inSeconds(0), renewAt: null, retryAt: inSeconds(20) },
      false,
    ],
    ['five failures, and refused', { failures: 5, refusedGeneration: 3 }, true],
  ])('with %s stands down: %s', (_, more, isDown) => {
    expect(isStoodDown(token(more), NOW)).toBe(isDown);
  });
});

describe('dueAt', () => {
  it.each([
    // life, earliest, latest
    [28_800, 21_600, 23_760],
    [3600, 2700, 2970],
    [1200, 900, 990],
    [900, 600, 660],
    [600, 300, 330],
    [525, 225, 247.5],
    [330, 225, 247.5],
    [300, 225, 247.5],
    [120, 90, 99],
    [60, 45, 49.5],
    [45, 33.75, 35],
    [40, 30, 30],
    [10, 30, 30],
    [0, 30, 30],
    [-100, 30, 30],
  ])('a life of %d s is due after %d to %d s', (life, earliest, latest) => {
    expect(dueAt(NOW, inSeconds(life), 0)).toEqual(inSeconds(earliest));
    expect(dueAt(NOW, inSeconds(life), 1)).toEqual(inSeconds(latest));
  });
});

describe('retryAfter', () => {
  it.each([
    [1, true, null, 1],
    [2, true, null, 2],
    [4, true, null, 8],
    [5, true, null, 15],
    [50, true, null, 15],
    [1, false, null, 60],
    [5, false, null, 900],
    [50, false, null, 900],
    [1, true, 0, 1],
    [1, true, -3, 1],
    [1, true, 2, 5],
    [1, true, 30, 30],
    [1, true, 86_400, 300],
    [1, false, 30, 60],
  ])('failure %d (urgent: %s, the provider says %s): %d s', (failures, urgent, saidSeconds, seconds) => {
    const pause = { failures, urgent, saidSeconds, expiresAt: inSeconds(3600) };
    expect(retryAfter(NOW, pause, 0)).toEqual(inSeconds(seconds));
    expect(retryAfter(NOW, pause, 1)).toEqual(inSeconds(seconds * 1.1));
  });

  it.each([
    ['ends with the token, 5 s before it as leases do', { failures: 5, saidSeconds: null }, 300, 295],
    ['is a second, where that is over', { failures: 5, saidSeconds: null }, 3, 1],
    ['is as long as the provider says all the same', { failures: 1, saidSeconds: 120 }, 60, 120],
    ['is its own where that is shorter', { failures: 1, saidSeconds: null }, 300, 60],
  ])('a pause while the token serves %s', (_what, pause, lifeSeconds, seconds) => {
    const of = { ...pause, urgent: false, expiresAt: inSeconds(lifeSeconds) };
    expect(retryAfter(NOW, of, 0)).toEqual(inSeconds(seconds));
  });
});
