import type { Secret } from '../../kernel/index.js';
import { troubleOf, type BadAnswer } from './trouble.js';

/** The SDK has none of its own (linear.md 5). */
const TIMEOUT_MS = 15_000;

/** What Linear says is left in this hour. */
export interface Quota {
  remaining: number;
  resetAt: number;
}

export interface Answered {
  data: Record<string, unknown>;
  quota: Quota | null;
}

/** The one place that knows the SDK: majors of it come weekly, and the Agents API is a preview (linear.md 7). */
export class LinearClients {
  constructor(
    private readonly apiUrl: string,
    private readonly now: () => Date,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** Asks one operation: once, with a deadline, following no redirect. Throws LinearTrouble. */
  async ask(
    token: Secret,
    query: string,
    variables: Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<Answered> {
    // Some 30 MB that only who uses Linear has to pay for.
    const { LinearClient } = await import('@linear/sdk');
    const limit = AbortSignal.timeout(this.timeoutMs);
    const client = new LinearClient({
      accessToken: token.reveal(),
      apiUrl: `${this.apiUrl}/graphql`,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      redirect: 'error',
    });
    try {
      const { data, headers } = await client.client.rawRequest<
        Record<string, unknown>,
        Record<string, unknown>
      >(query, variables);
      return { data: data ?? {}, quota: headers ? quotaIn(headers) : null };
    } catch (error) {
      throw troubleOf(badAnswer(error, token), this.now());
    }
  }
}

interface GraphqlError {
  message?: unknown;
  extensions?: { code?: unknown; type?: unknown };
}

/** Read from the answer itself, which the SDK keeps in `raw`. Its message repeats the whole answer and query, and goes nowhere; what Linear said goes into logs and rows, and so without the token. */
function badAnswer(error: unknown, token: Secret): BadAnswer {
  const { raw } = error as {
    raw?: { response?: { status?: number; errors?: GraphqlError[]; headers?: Headers } };
  };
  const response = raw?.response;
  if (!response) return { status: null, codes: [], said: reasonOf(error), resetAt: null };
  const errors = Array.isArray(response.errors) ? response.errors : [];
  const codes = errors.flatMap(({ extensions }) => [extensions?.code, extensions?.type]);
  const said = errors[0]?.message;
  return {
    status: response.status ?? null,
    codes: codes.filter((code) => typeof code === 'string'),
    said: typeof said === 'string' ? token.hideIn(said) : null,
    resetAt: response.headers ? resetIn(response.headers) : null,
  };
}

function reasonOf(error: unknown): string {
  const { name, cause, original } = error as { name?: string; cause?: unknown; original?: unknown };
  const code = ((cause ?? original) as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : (name ?? 'no answer');
}

const LIMITS = ['requests', 'complexity', 'endpoint'] as const;

function numberIn(headers: Headers, name: string): number | null {
  const text = headers.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Of the limits that are used up, the one that ends last. */
function resetIn(headers: Headers): number | null {
  const ends = LIMITS.flatMap((limit) => {
    const reset = numberIn(headers, `x-ratelimit-${limit}-reset`);
    return reset === null
      ? []
      : [{ reset, isUsedUp: numberIn(headers, `x-ratelimit-${limit}-remaining`) === 0 }];
  });
  const usedUp = ends.filter(({ isUsedUp }) => isUsedUp);
  const among = (usedUp.length > 0 ? usedUp : ends).map(({ reset }) => reset);
  return among.length === 0 ? null : Math.max(...among);
}

function quotaIn(headers: Headers): Quota | null {
  const remaining = numberIn(headers, 'x-ratelimit-requests-remaining');
  const resetAt = numberIn(headers, 'x-ratelimit-requests-reset');
  return remaining === null || resetAt === null ? null : { remaining, resetAt };
}
