import { z } from 'zod';

/** What a million tokens cost, in US dollars. What is not there costs as input does. */
const priceSchema = z.strictObject({
  input: z.number().min(0).multipleOf(0.001),
  output: z.number().min(0).multipleOf(0.001),
  cacheRead: z.number().min(0).multipleOf(0.001).optional(),
  /** Written to a cache for five minutes, and for an hour. */
  cacheWrite: z.number().min(0).multipleOf(0.001).optional(),
  cacheWriteHour: z.number().min(0).multipleOf(0.001).optional(),
});

/** A price list as a file: what it names is added to the built-in list, or takes the place of what has the same name there. */
const priceFileSchema = z.strictObject({
  name: z.string().min(1).max(100),
  date: z.iso.date(),
  models: z.record(z.string().min(1).max(200), priceSchema),
});
type PriceFile = z.infer<typeof priceFileSchema>;
type Rates = z.infer<typeof priceSchema>;

/** In billionths of a dollar (nano) per token, so that every sum is a whole number and exact. */
export interface Price {
  /** The name in the list by which the model was found. */
  family: string;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWriteHour: number;
}

/** Anthropic's cache: a read is a tenth of input; writing is a quarter more for five minutes and twice the input for an hour. */
const claude = (input: number, output: number, cacheRead = input / 10): Rates => ({
  input,
  output,
  cacheRead,
  cacheWrite: Math.round(input * 1250) / 1000,
  cacheWriteHour: input * 2,
});
const gpt = (input: number, output: number, cacheRead = input): Rates => ({ input, output, cacheRead });

/**
 * List prices per million tokens, standard tier, without long-context and regional surcharges. Sources: platform.claude.com/docs/en/about-claude/pricing, openai.com/api/pricing. A version of
 * a model that is not here has no price rather than a neighbor's: hence the full names where a short one would catch later versions.
 */
const BUILT_IN: PriceFile = {
  name: 'built-in',
  date: '2026-08-31',
  models: {
    'claude-opus-4-8': claude(5, 25),
    'claude-opus-4-7': claude(5, 25),
    'claude-opus-4-6': claude(5, 25),
    'claude-opus-4-5': claude(5, 25),
    'claude-opus-4-1': claude(15, 75),
    'claude-opus-4-0': claude(15, 75),
    'claude-opus-4-20250514': claude(15, 75),
    'claude-sonnet-4-6': claude(3, 15),
    'claude-sonnet-4-5': claude(3, 15),
    'claude-sonnet-4-0': claude(3, 15),
    'claude-sonnet-4-20250514': claude(3, 15),
    'claude-3-7-sonnet': claude(3, 15),
    'claude-haiku-4-5': claude(1, 5),
    'claude-3-5-haiku': claude(0.8, 4),
    'gpt-5.2-pro': gpt(21, 168),
    'gpt-5.2': gpt(1.75, 14, 0.175),
    'gpt-5.1-codex-mini': gpt(0.25, 2, 0.025),
    'gpt-5.1': gpt(1.25, 10, 0.125),
    'gpt-5-pro': gpt(15, 120),
    'gpt-5-mini': gpt(0.25, 2, 0.025),
    'gpt-5-nano': gpt(0.05, 0.4, 0.005),
    'gpt-5': gpt(1.25, 10, 0.125),
    'gpt-4.1-mini': gpt(0.4, 1.6, 0.1),
    'gpt-4.1-nano': gpt(0.1, 0.4, 0.025),
    'gpt-4.1': gpt(2, 8, 0.5),
    'codex-mini-latest': gpt(1.5, 6, 0.375),
    'o4-mini': gpt(1.1, 4.4, 0.275),
    o3: gpt(2, 8, 0.5),
  },
};

/** Bedrock's names: `us.anthropic.claude-sonnet-4-5-20250929-v1:0` (providers.md 5.1). */
const BEDROCK = /^(?:(?:us|eu|apac|jp|au|global|us-gov)\.)?anthropic\./;
/** What may follow a family's name: a date, a variant, a revision. So `gpt-5` does not stand for `gpt-5.9`. */
const BOUNDARY = /^(?:[-@:]|$)/;

/** What models cost, at one date. */
export class PriceList {
  readonly #prices: Price[];

  private constructor(
    readonly name: string,
    readonly date: string,
    models: PriceFile['models'],
  ) {
    const prices = Object.entries(models).map(([family, rates]) => priceOf(family, rates));
    this.#prices = prices.sort((a, b) => b.family.length - a.family.length);
  }

  static builtIn(): PriceList {
    return new PriceList(BUILT_IN.name, BUILT_IN.date, BUILT_IN.models);
  }

  /** The built-in list with what a file says. Throws where that is not a price list, naming the places. */
  static with(file: unknown): PriceList {
    const parsed = priceFileSchema.safeParse(file);
    if (!parsed.success) {
      const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
      throw new Error(problems.join('; '));
    }
    const { name, date, models } = parsed.data;
    return new PriceList(name, date, { ...BUILT_IN.models, ...models });
  }

  /** As it is written down with each entry of the ledger. */
  get label(): string {
    return `${this.name} ${this.date}`;
  }

  /** By the longest name in the list that the model's begins with; null: nobody knows what it costs. */
  find(model: string | null): Price | null {
    if (model === null) return null;
    const names = [model, model.replace(BEDROCK, '')];
    const matches = (family: string): boolean =>
      names.some((name) => name.startsWith(family) && BOUNDARY.test(name.slice(family.length)));
    return this.#prices.find(({ family }) => matches(family)) ?? null;
  }

  /** More than any model of the list costs: for one that is not there, where it must not be too little. */
  dearest(): Price {
    const most = (rate: keyof Omit<Price, 'family'>): number =>
      Math.max(...this.#prices.map((price) => price[rate]));
    const [input, output, cacheRead] = [most('input'), most('output'), most('cacheRead')];
    const [cacheWrite, cacheWriteHour] = [most('cacheWrite'), most('cacheWriteHour')];
    return { family: 'other', input, output, cacheRead, cacheWrite, cacheWriteHour };
  }
}

function priceOf(family: string, rates: Rates): Price {
  const nano = (usdPerMillion = rates.input): number => Math.round(usdPerMillion * 1000);
  return {
    family,
    input: nano(rates.input),
    output: nano(rates.output),
    cacheRead: nano(rates.cacheRead),
    cacheWrite: nano(rates.cacheWrite),
    cacheWriteHour: nano(rates.cacheWriteHour),
  };
}
