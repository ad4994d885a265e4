/** What GitHub said no with. */
export type ApiFailure =
  /** A limit of the installation (github.md 6): to go on meanwhile may get the App banned. */
  | { kind: 'limited'; retryAfterSeconds: number }
  /** What is asked about is not there, or not for us to see. */
  | { kind: 'missing' }
  /** It is there, and this may not be done with it; asking again would not help. */
  | { kind: 'refused'; status: number }
  /** It may pass: GitHub is down, the token was just taken away, or the installation is suspended. */
  | { kind: 'passing' };

const MINUTE = 60;
const HOUR = 3600;

/**
 * Reads what a call of the API threw. `attempts`: how often it was tried before, for a limit without a time: a minute, doubled each time. The time of the reset is in whole seconds of the day, and may be past by
 * our clock.
 */
export function failureOf(error: unknown, attempts: number, now: Date): ApiFailure {
  const { status, headers, message } = partsOf(error);
  if (status === 429 || (status === 403 && isLimit(headers, message)))
    return { kind: 'limited', retryAfterSeconds: secondsOf(headers, attempts, now) };
  if (status === 404 || status === 410) return { kind: 'missing' };
  if (status === 403 && /suspended/i.test(message)) return { kind: 'passing' };
  const isRefusal = status !== null && status >= 400 && status < 500 && status !== 401 && status !== 408;
  return isRefusal ? { kind: 'refused', status } : { kind: 'passing' };
}

type Headers = Record<string, string | number | undefined>;

function partsOf(error: unknown): { status: number | null; headers: Headers; message: string } {
  const { status, response, message } = (error ?? {}) as {
    status?: unknown;
    response?: { headers?: Headers };
    message?: unknown;
  };
  return {
    status: typeof status === 'number' ? status : null,
    headers: response?.headers ?? {},
    message: typeof message === 'string' ? message : '',
  };
}

function isLimit(headers: Headers, message: string): boolean {
  return (
    headers['retry-after'] !== undefined ||
    String(headers['x-ratelimit-remaining']) === '0' ||
    /rate limit|abuse/i.test(message)
  );
}

function secondsOf(headers: Headers, attempts: number, now: Date): number {
  const after = Number(headers['retry-after']);
  if (Number.isFinite(after) && after > 0) return Math.min(Math.ceil(after), HOUR);
  const reset = Number(headers['x-ratelimit-reset']);
  if (String(headers['x-ratelimit-remaining']) === '0' && Number.isFinite(reset))
    return Math.min(Math.max(1, Math.ceil(reset - now.getTime() / 1000)), HOUR);
  return Math.min(MINUTE * 2 ** Math.min(attempts, 10), HOUR);
}

/** What is gone, or is none of ours to see, is an answer too. */
export async function orMissing<T, M>(call: Promise<T>, missing: M): Promise<T | M> {
  return call.catch((error: unknown) => {
    if (failureOf(error, 0, new Date(0)).kind === 'missing') return missing;
    throw error;
  });
}
