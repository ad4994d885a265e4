import type { Kind } from '../contracts/index.js';
import { chargeFor, type Tokens } from './charge.js';
import { periodAt } from './period.js';
import { PriceList } from './prices.js';

const list = PriceList.builtIn();
const told: Tokens = {
  inputTokens: 1_000_000,
  outputTokens: 1_000_000,
  cacheReadTokens: 1_000_000,
  cacheWriteTokens: 2_000_000,
  cacheHourTokens: 1_000_000,
};

describe('PriceList', () => {
  it.each([
    ['claude-sonnet-4-6', 'claude-sonnet-4-6'],
    ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'claude-sonnet-4-5'],
    ['us-gov.anthropic.claude-haiku-4-5-20251001-v1:0', 'claude-haiku-4-5'],
    ['anthropic.claude-opus-4-8', 'claude-opus-4-8'],
    ['gpt-5.2-codex', 'gpt-5.2'],
    ['gpt-5.1-codex-mini-2025-11-13', 'gpt-5.1-codex-mini'],
    ['gpt-5-2025-08-07', 'gpt-5'],
    // What is new has no price, and not that of a neighbor.
    ['claude-opus-4-9', null],
    ['claude-opus-4-80', null],
    ['gpt-5.9', null],
    ['gpt-50', null],
    ['', null],
    [null, null],
  ])('%s is %s', (model, family) => {
    expect(list.find(model)?.family ?? null).toBe(family);
  });

  it('takes what a file says, and keeps the rest', () => {
    const models = {
      'claude-sonnet-4-6': { input: 1, output: 2 },
      'claude-opus-4-9': { input: 6, output: 30 },
    };
    const mine = PriceList.with({ name: 'ours', date: '2026-10-01', models });
    expect(mine.label).toBe('ours 2026-10-01');
    expect(mine.find('claude-sonnet-4-6')).toMatchObject({ input: 1000, cacheRead: 1000, cacheWrite: 1000 });
    expect(mine.find('claude-opus-4-9')).toMatchObject({ output: 30_000 });
    expect(mine.find('gpt-5')).toMatchObject({ output: 10_000, cacheRead: 125 });
  });

  it.each([
    [{}],
    [{ name: 'a', date: 'today', models: {} }],
    [{ name: 'a', date: '2026-10-01', models: { m: { input: -1, output: 1 } } }],
    [{ name: 'a', date: '2026-10-01', models: { m: { input: 0.0001, output: 1 } } }],
    [{ name: 'a', date: '2026-10-01', models: { m: { input: 1, output: 1, extra: 1 } } }],
  ])('refuses %j', (file) => {
    expect(() => PriceList.with(file)).toThrow();
  });
});

describe('chargeFor', () => {
  const usd = (kind: Kind, model: string, tokens: Tokens = told): number | null => {
    const { costNano } = chargeFor(kind, model, tokens, null, list);
    return costNano === null ? null : Number(costNano) / 1e9;
  };

  it.each([
    ['anthropic_api_key', 'claude-sonnet-4-6', 3 + 15 + 0.3 + 3.75 + 6],
    ['anthropic_wif', 'claude-opus-4-8', 5 + 25 + 0.5 + 6.25 + 10],
    ['aws_bedrock', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', 1 + 5 + 0.1 + 1.25 + 2],
    ['openai_api_key', 'gpt-5.2-codex', 1.75 + 14 + 0.175 + 2 * 1.75],
    ['claude_oauth', 'claude-sonnet-4-6', 0],
    ['claude_setup_token', 'claude-of-tomorrow', 0],
    ['openai_oauth', 'gpt-5.2', 0],
    ['anthropic_api_key', 'claude-of-tomorrow', null],
  ] as const)('%s, %s: %s dollars', (kind, model, expected) => {
    expect(usd(kind, model)).toBe(expected);
  });

  it('of what is not known the cost is not known, and the weight is what it may have been', () => {
    const silent = { ...told, outputTokens: null, cacheReadTokens: 0, cacheWriteTokens: 0 };
    const atMost = { inputTokens: 5, outputTokens: 2000 };
    const charge = chargeFor('anthropic_api_key', 'claude-sonnet-4-6', silent, atMost, list);
    expect(charge).toMatchObject({
      unknown: true,
      costNano: null,
      weightNano: 3_000_000_000n + 2000n * 15_000n,
      weightTokens: 1_002_000n,
    });
    const nothing = { ...silent, inputTokens: null };
    const all = chargeFor('openai_api_key', null, nothing, null, list);
    expect(all.weightNano).toBe(8192n * 21_000n + 8192n * 168_000n);
  });

  it('a bound that nobody can have meant is none: it is neither a weight nor too large to be kept', () => {
    const silent = { ...told, inputTokens: 3, outputTokens: null, cacheReadTokens: 0, cacheWriteTokens: 0 };
    const atMost = { inputTokens: 5, outputTokens: Number.MAX_SAFE_INTEGER };
    const { weightTokens } = chargeFor('anthropic_api_key', 'claude-sonnet-4-6', silent, atMost, list);
    expect(weightTokens).toBe(3n + 8192n);
  });

  it('an unknown model weighs as the dearest does', () => {
    const { costNano, weightNano } = chargeFor('anthropic_api_key', 'x', told, null, list);
    expect([costNano, weightNano > 200_000_000_000n]).toEqual([null, true]);
  });
});

describe('periodAt', () => {
  it.each([
    ['day', '2026-02-28T23:59:59.999Z', '2026-02-28', '2026-03-01'],
    ['day', '2028-02-28T23:59:59.999Z', '2028-02-28', '2028-02-29'],
    ['day', '2026-12-31T00:00:00.000Z', '2026-12-31', '2027-01-01'],
    ['month', '2026-01-31T23:59:59.999Z', '2026-01-01', '2026-02-01'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01', '2027-01-01'],
    ['month', '2027-01-01T00:00:00.000Z', '2027-01-01', '2027-02-01'],
    ['total', '2026-05-05T05:05:05.000Z', '1970-01-01', null],
  ] as const)('%s at %s', (period, at, from, until) => {
    const found = periodAt(period, new Date(at));
    expect(found.from.toISOString()).toBe(`${from}T00:00:00.000Z`);
    expect(found.until?.toISOString() ?? null).toBe(until === null ? null : `${until}T00:00:00.000Z`);
  });
});
