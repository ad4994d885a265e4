import type { Clock } from '../../src/kernel/index.js';

/** linear.md 5, "Errors and limits", per organization. */
export interface LinearLimitSettings {
  requests: number;
  complexity: number;
  windowSeconds: number;
}

const WHOLE_QUERY = 10_000;

interface Window {
  endsAt: number;
  requests: number;
  complexity: number;
}

/** How much an organization's app asked in the current window. */
export class LinearLimits {
  readonly settings: LinearLimitSettings = { requests: 5_000, complexity: 2_000_000, windowSeconds: 3600 };
  readonly #windows = new Map<string, Window>();
  /** How often somebody was told to wait. */
  refused = 0;

  constructor(private readonly clock: Clock) {}

  configure(settings: Partial<LinearLimitSettings>): void {
    Object.assign(this.settings, settings);
    this.#windows.clear();
  }

  reset(): void {
    this.configure({ requests: 5_000, complexity: 2_000_000, windowSeconds: 3600 });
    this.refused = 0;
  }

  /** Counts a call. `isOver`: it is to be refused, as RATELIMITED or as too complex. */
  take(
    key: string,
    complexity: number,
  ): { headers: Record<string, string>; isOver: boolean; isTooMuch: boolean } {
    const window = this.#windowOf(key);
    const isTooMuch = complexity > WHOLE_QUERY;
    const isOver =
      window.requests + 1 > this.settings.requests ||
      window.complexity + complexity > this.settings.complexity;
    if (isOver) this.refused += 1;
    else if (!isTooMuch) {
      window.requests += 1;
      window.complexity += complexity;
    }
    return { headers: this.#headers(window, complexity), isOver, isTooMuch };
  }

  #windowOf(key: string): Window {
    const now = this.clock.now().getTime();
    const known = this.#windows.get(key);
    if (known && known.endsAt > now) return known;
    const made = { endsAt: now + this.settings.windowSeconds * 1000, requests: 0, complexity: 0 };
    this.#windows.set(key, made);
    return made;
  }

  #headers({ endsAt, requests, complexity }: Window, points: number): Record<string, string> {
    const { settings } = this;
    const reset = String(endsAt);
    return {
      'x-complexity': String(points),
      'x-ratelimit-requests-limit': String(settings.requests),
      'x-ratelimit-requests-remaining': String(Math.max(0, settings.requests - requests)),
      'x-ratelimit-requests-reset': reset,
      'x-ratelimit-complexity-limit': String(settings.complexity),
      'x-ratelimit-complexity-remaining': String(Math.max(0, Math.floor(settings.complexity - complexity))),
      'x-ratelimit-complexity-reset': reset,
    };
  }
}
