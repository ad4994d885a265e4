import type { Result } from './figure.js';
import { boundOf, trustPage, type Bench } from './page.js';

const machine: Bench = {
  cores: 2,
  processor: 'A processor',
  memoryGb: 8,
  node: 'v20',
  system: 'linux-x64',
  loadAtStart: 0,
  postgres: '18',
};
const held: Result = {
  id: 'F23',
  scenario: '500 orphans | on both sides',
  line: 'gone within 2 sweeps',
  countedAt: 'rows and folders',
  time: 'real',
  tried: 3000,
  breaches: [],
  numbers: { 'p99 ms': 12.34567, rows: 10_000 },
  seconds: 7,
  at: '2026-11-25T10:00:00.000Z',
  commit: 'abc1234',
};
const missed: Result = { ...held, id: 'F20 crash', breaches: Array<string>(12).fill('came twice') };

describe('the page of the trust figures', () => {
  const page = trustPage([held, missed], machine);

  it('has a row per result, in the order of the numbers, with the bound of what held', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| F2'));
    expect(rows.map((row) => row.split(' | ')[0])).toEqual(['| F20 crash', '| F23']);
    expect(rows[1]).toBe(
      '| F23 | 500 orphans \\| on both sides | gone within 2 sweeps | 3,000 | 0 of 3,000 | 0.1 % | rows and folders | real | p99 ms: 12.346; rows: 10,000 | 7 s | 2026-11-25 abc1234 |',
    );
  });

  it('shows a miss as a miss, without a bound, and says what broke it', () => {
    expect(page).toContain('2 lines played, 1 held, 1 missed.');
    expect(page).toContain('| **missed**: 12 of 3,000 |  |');
    expect(page.match(/- came twice/g)).toHaveLength(10);
    expect(page).toContain('… and 2 more');
  });

  it('lists what was not played', () => {
    expect(page).toContain('- **F21** ');
    expect(page).not.toMatch(/- \*\*F2[03]\*\*/);
    expect(page).toContain('- **F20b** ');
  });

  it('knows that few tries bound nothing', () => {
    expect([1, 2, 3, 300, 3000, 10_000].map(boundOf)).toEqual(['', '', '100 %', '1 %', '0.1 %', '0.03 %']);
  });
});
