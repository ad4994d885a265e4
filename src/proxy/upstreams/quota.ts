import { headerOf, type HeaderList } from '../headers.js';

/** No plan's quota is counted over more than a month; a later time is a misunderstanding. */
const LONGEST_SECONDS = 32 * 24 * 3600;

/** What a provider may say of when a quota is there again, in the order in which it is believed. */
export interface QuotaTimes {
  /** A point in time, in seconds since 1970. */
  at?: unknown;
  /** So many seconds from now. */
  inSeconds?: unknown;
}

/** The first of the times that can be one: in the future, and not too far away. */
export function quotaEnd(times: readonly QuotaTimes[], now: Date): Date | null {
  const seconds = now.getTime() / 1000;
  for (const { at, inSeconds } of times) {
    const end = numberOf(at) ?? plus(seconds, numberOf(inSeconds));
    if (end !== null && end > seconds && end <= seconds + LONGEST_SECONDS) return new Date(end * 1000);
  }
  return null;
}

/** `Retry-After` in seconds; its other form, a date, no provider of ours uses. */
export function retryAfter(headers: HeaderList): QuotaTimes {
  return { inSeconds: headerOf(headers, 'retry-after') };
}

function plus(seconds: number, more: number | null): number | null {
  return more === null ? null : seconds + more;
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'string' && !/^\d+(?:\.\d+)?$/.test(value.trim())) return null;
  const number = typeof value === 'string' || typeof value === 'number' ? Number(value) : NaN;
  return Number.isFinite(number) ? number : null;
}
