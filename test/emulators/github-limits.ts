import { GithubRefusal } from './github-call.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** What one holder of a limit did in the last hour. */
interface Use {
  /** When calls came, with their points. */
  calls: { at: number; points: number }[];
  contents: number[];
  under: number;
}

/** GitHub's limits, per installation or person: the hourly one with its headers, and the secondary ones. */
export class GithubLimits {
  perHour = 5_000;
  pointsPerMinute = 900;
  contentsPerMinute = 80;
  contentsPerHour = 500;
  concurrent = 100;
  /** Whether the secondary limits refuse; what goes beyond is counted either way. */
  secondary = true;
  /** Calls that went beyond a limit, by limit. */
  readonly exceeded = { hour: 0, points: 0, contents: 0, concurrent: 0 };
  /** The most there was of each at once. */
  readonly peaks = { contentsInMinute: 0, pointsInMinute: 0, concurrent: 0 };
  readonly #uses = new Map<string, Use>();

  /** Counts a call that begins. Returns the headers of its answer. Throws 403 with what to wait for. */
  enter(holder: string, method: string, content: boolean, now: number): Record<string, string> {
    const use = this.#use(holder);
    use.under += 1;
    this.#forget(use, now);
    const reset = Math.ceil(((use.calls[0]?.at ?? now) + HOUR_MS) / 1000);
    const left = this.perHour - use.calls.length - 1;
    const headers = {
      'x-ratelimit-limit': String(this.perHour),
      'x-ratelimit-remaining': String(Math.max(0, left)),
      'x-ratelimit-used': String(Math.min(this.perHour, use.calls.length + 1)),
      'x-ratelimit-reset': String(reset),
      'x-ratelimit-resource': 'core',
    };
    if (left < 0) {
      this.exceeded.hour += 1;
      throw new GithubRefusal(403, `API rate limit exceeded for installation ID ${holder}.`, {}, headers);
    }
    const points = method === 'GET' || method === 'HEAD' ? 1 : 5;
    this.#secondary(use, points, content, now, headers);
    use.calls.push({ at: now, points });
    if (content) use.contents.push(now);
    return headers;
  }

  leave(holder: string): void {
    this.#use(holder).under -= 1;
  }

  #secondary(use: Use, points: number, content: boolean, now: number, headers: Record<string, string>): void {
    const recent = use.calls.filter(({ at }) => at > now - MINUTE_MS);
    const spent = recent.reduce((sum, call) => sum + call.points, points);
    const made = use.contents.filter((at) => at > now - MINUTE_MS);
    this.peaks.pointsInMinute = Math.max(this.peaks.pointsInMinute, spent);
    this.peaks.concurrent = Math.max(this.peaks.concurrent, use.under);
    if (content) this.peaks.contentsInMinute = Math.max(this.peaks.contentsInMinute, made.length + 1);
    if (use.under > this.concurrent) this.#exceed('concurrent', 1, headers);
    if (spent > this.pointsPerMinute) this.#exceed('points', secondsTo(recent[0]?.at, now), headers);
    if (!content) return;
    if (made.length >= this.contentsPerMinute || use.contents.length >= this.contentsPerHour)
      this.#exceed('contents', secondsTo(made[0], now), headers);
  }

  #exceed(limit: keyof GithubLimits['exceeded'], seconds: number, headers: Record<string, string>): void {
    this.exceeded[limit] += 1;
    if (!this.secondary) return;
    throw new GithubRefusal(
      403,
      'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
      {},
      { ...headers, 'retry-after': String(seconds) },
    );
  }

  #use(holder: string): Use {
    const use = this.#uses.get(holder) ?? { calls: [], contents: [], under: 0 };
    this.#uses.set(holder, use);
    return use;
  }

  #forget(use: Use, now: number): void {
    use.calls = use.calls.filter(({ at }) => at > now - HOUR_MS);
    use.contents = use.contents.filter((at) => at > now - HOUR_MS);
  }
}

/** Until what began first a minute ago counts no more. */
function secondsTo(first: number | undefined, now: number): number {
  return Math.max(1, Math.ceil(((first ?? now) + MINUTE_MS - now) / 1000));
}
