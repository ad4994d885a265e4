import {
  blocked,
  budgetKey,
  callsOf,
  emptyBudget,
  giveBack,
  systemLimits,
  take,
  type Budget,
} from './budget.js';

const start = new Date('2026-01-01T12:00:00.000Z').getTime();
const limits = systemLimits.github;

/** The most calls that began within any so many seconds. */
function mostWithin(times: number[], seconds: number): number {
  let most = 0;
  let first = 0;
  times.forEach((time, at) => {
    while (time - (times[first] ?? 0) >= seconds * 1000) first++;
    most = Math.max(most, at - first + 1);
  });
  return most;
}

/** Lets so many come at once, each again when it was told to. */
function drain(amount: number, wish = { calls: 1, urgent: false }): { times: number[]; asked: number } {
  const queue = Array.from({ length: amount }, (_, n) => ({ at: start, n }));
  const times: number[] = [];
  let budget: Budget = emptyBudget;
  let asked = 0;
  while (queue.length > 0) {
    queue.sort((a, b) => a.at - b.at || a.n - b.n);
    const one = queue.shift();
    if (!one) break;
    asked++;
    const granted = take(budget, limits, wish, new Date(one.at));
    budget = granted.budget;
    if (granted.granted) times.push(...Array<number>(wish.calls).fill(one.at));
    else queue.push({ ...one, at: granted.at.getTime() });
  }
  return { times, asked };
}

describe('take', () => {
  it('lets a thousand that come at once through one by one, over no limit in any window', () => {
    const { times, asked } = drain(1000);
    expect(times).toHaveLength(1000);
    for (const { calls, seconds } of limits)
      expect(mostWithin(times, seconds)).toBeLessThanOrEqual(calls * 0.8);
    // Put off once each, give or take: a queue that asks again and again would cost more than it sends.
    expect(asked).toBeLessThan(4000);
    // At 360 an hour.
    expect((Math.max(...times) - start) / 3600_000).toBeLessThan(3);
  });

  it('counts each call of a reply that takes two', () => {
    const { times } = drain(100, { calls: 2, urgent: false });
    expect(mostWithin(times, 60)).toBeLessThanOrEqual(56);
  });

  it('keeps room for signs of life, and holds them to the limit too', () => {
    let budget = emptyBudget;
    const now = new Date(start);
    const say = (urgent: boolean): boolean => {
      const granted = take(budget, limits, { calls: 1, urgent }, now);
      budget = granted.budget;
      return granted.granted;
    };
    expect(Array.from({ length: 60 }, () => say(false)).filter(Boolean)).toHaveLength(56);
    expect(Array.from({ length: 20 }, () => say(true)).filter(Boolean)).toHaveLength(14);
  });

  it('lets nobody through while the system says so, and then not all at once', () => {
    const until = new Date(start + 90_000);
    const budget = blocked(emptyBudget, until);
    const first = take(budget, limits, { calls: 1, urgent: true }, new Date(start));
    expect(first).toMatchObject({ granted: false, at: until });
    const second = take(budget, limits, { calls: 1, urgent: false }, new Date(start));
    const third = take(second.budget, limits, { calls: 1, urgent: false }, new Date(start));
    expect(second).toMatchObject({ granted: false, at: until });
    expect(third).toMatchObject({ granted: false, at: new Date(until.getTime() + 10_000) });
    expect(blocked(budget, new Date(start))).toEqual(budget);
  });
});

describe('budgetKey', () => {
  it('is the installation, or the one app of the organization', () => {
    expect(budgetKey('github', { installationId: '7' })).toBe('github/7');
    expect(budgetKey('linear', { sessionId: 's' })).toBe('linear');
  });
});

describe('callsOf', () => {
  it('is what integrations make of it at most', () => {
    expect([callsOf({ type: 'seen' }, 'github'), callsOf({ type: 'answer' }, 'github')]).toEqual([1, 5]);
    expect(callsOf({ type: 'answer' }, 'linear')).toBe(2);
  });
});

describe('what was taken', () => {
  const hours = systemLimits.linear;

  it('is never more than some steps, and counts for no less than it does there', () => {
    let budget = emptyBudget;
    const times: number[] = [];
    let at = start;
    for (let n = 0; n < 6000; n++) {
      const wish = { calls: 1 + (n % 3), urgent: true };
      const granted = take(budget, hours, wish, new Date(at));
      budget = granted.budget;
      if (granted.granted) times.push(...Array<number>(wish.calls).fill(at));
      else at = granted.at.getTime() - 700;
      at += 700;
      expect(budget.taken.length).toBeLessThanOrEqual(3 * 60);
    }
    for (const { calls, seconds } of hours) expect(mostWithin(times, seconds)).toBeLessThanOrEqual(calls);
    // And is nearly all that there is room for.
    const perHour = times.length / ((at - start) / 3600_000);
    expect(perHour).toBeGreaterThan(0.9 * 4000);
  });

  it('stays as it was for whoever holds it', () => {
    const { budget } = take(emptyBudget, hours, { calls: 2, urgent: false }, new Date(start));
    const before = structuredClone(budget);
    take(budget, hours, { calls: 3, urgent: false }, new Date(start));
    giveBack(budget, hours, new Date(start), 1);
    expect(budget).toEqual(before);
  });
});

describe('giveBack', () => {
  const now = new Date(start + 300);
  const taken = [
    { at: start, calls: 2 },
    { at: start + 1000, calls: 3 },
    { at: start + 2000, calls: 1 },
  ];
  it.each([
    [0, [2, 3, 1]],
    [2, [2, 1, 1]],
    [9, [2, 1]],
  ])('of %i calls that were not made, and of no other', (calls, left) => {
    const given = giveBack({ ...emptyBudget, taken }, limits, now, calls);
    expect(given.taken.map((one) => one.calls)).toEqual(left);
  });

  it('also where it is counted in a longer step by then', () => {
    const { budget } = take(emptyBudget, limits, { calls: 5, urgent: true }, now);
    const later = take(budget, limits, { calls: 1, urgent: true }, new Date(start + 180_000));
    expect(later.budget.taken).toEqual([
      { at: start + 60_000, calls: 5 },
      { at: start + 180_000, calls: 1 },
    ]);
    expect(giveBack(later.budget, limits, now, 4).taken[0]).toEqual({ at: start + 60_000, calls: 1 });
  });

  it('what is too old to count is gone already', () => {
    const budget = { ...emptyBudget, taken };
    expect(giveBack(budget, limits, new Date(0), 3)).toEqual(budget);
  });
});
