import type { Kind } from '../contracts/index.js';
import type { Price, PriceList } from './prices.js';

/** Tokens of one call as the provider told them. */
export interface Tokens {
  inputTokens: number | null;
  outputTokens: number | null;
  cacheReadTokens: number | null;
  cacheWriteTokens: number | null;
  /** Of what was written to a cache, what was written for an hour. */
  cacheHourTokens: number | null;
}

/** What a call may have used where the provider did not say: by the size of the request, and by the bound that it set itself. */
export interface AtMost {
  inputTokens: number;
  outputTokens: number | null;
}

export interface Charge extends Tokens {
  /** False: a subscription's. */
  billed: boolean;
  /** The provider did not say what was used. */
  unknown: boolean;
  /** The name in the price list; null: it is not there. */
  family: string | null;
  /** Billionths of a dollar; null: not known. */
  costNano: bigint | null;
  /** What it weighs in budgets; see README. */
  weightNano: bigint;
  weightTokens: bigint;
}

/** Paid by the month and not by the token. */
const SUBSCRIPTIONS: ReadonlySet<Kind> = new Set(['claude_oauth', 'claude_setup_token', 'openai_oauth']);

/** More than any model takes or gives: whoever says so is wrong, and what was used is not known. */
const MOST_TOKENS = 1_000_000_000;
/** What a side of a call weighs of which nothing at all is known. */
const ASSUMED_TOKENS = 8192;

export function isBilled(kind: Kind): boolean {
  return !SUBSCRIPTIONS.has(kind);
}

/** What a call costs, and what it weighs in budgets: never less than it can have used. */
export function chargeFor(
  kind: Kind,
  model: string | null,
  told: Tokens,
  atMost: AtMost | null,
  prices: PriceList,
): Charge {
  const tokens = believable(told);
  const billed = isBilled(kind);
  const price = prices.find(model);
  const unknown = tokens.inputTokens === null || tokens.outputTokens === null;
  const assumed = assume(tokens, atMost);
  const weight = costOf(assumed, price ?? prices.dearest());
  const known = unknown || !price ? null : weight;
  return {
    ...tokens,
    billed,
    unknown,
    family: price?.family ?? null,
    costNano: billed ? known : 0n,
    weightNano: billed ? weight : 0n,
    weightTokens: BigInt(
      assumed.inputTokens + assumed.outputTokens + assumed.cacheReadTokens + assumed.cacheWriteTokens,
    ),
  };
}

type Assumed = { [K in keyof Tokens]: number };

/** What is not known in place of what it is: as much as it may have been. Of caches a provider that says nothing has used none, or counts it as input. */
function assume(tokens: Tokens, atMost: AtMost | null): Assumed {
  const bound = atMost && { input: believed(atMost.inputTokens), output: believed(atMost.outputTokens) };
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, cacheHourTokens } = tokens;
  const written = cacheWriteTokens ?? 0;
  return {
    inputTokens: inputTokens ?? bound?.input ?? ASSUMED_TOKENS,
    outputTokens: outputTokens ?? bound?.output ?? ASSUMED_TOKENS,
    cacheReadTokens: cacheReadTokens ?? 0,
    cacheWriteTokens: written,
    cacheHourTokens: Math.min(cacheHourTokens ?? 0, written),
  };
}

function costOf(tokens: Assumed, price: Price): bigint {
  const parts: [number, number][] = [
    [tokens.inputTokens, price.input],
    [tokens.outputTokens, price.output],
    [tokens.cacheReadTokens, price.cacheRead],
    [tokens.cacheWriteTokens - tokens.cacheHourTokens, price.cacheWrite],
    [tokens.cacheHourTokens, price.cacheWriteHour],
  ];
  return parts.reduce((sum, [count, nano]) => sum + BigInt(count) * BigInt(nano), 0n);
}

/** Also of a bound that an agent chose: one that cannot be stored would hold up every later report of its proxy. */
function believed(count: number | null): number | null {
  return count !== null && count <= MOST_TOKENS ? count : null;
}

function believable(told: Tokens): Tokens {
  return {
    inputTokens: believed(told.inputTokens),
    outputTokens: believed(told.outputTokens),
    cacheReadTokens: believed(told.cacheReadTokens),
    cacheWriteTokens: believed(told.cacheWriteTokens),
    cacheHourTokens: believed(told.cacheHourTokens),
  };
}
