import type { RotationReason } from '../contracts/rest/credentials.js';

/** A token as renewal sees it; never what it is. */
export interface TokenState {
  /** 0: there was none yet. */
  generation: number;
  /** Null: it does not run out, or nobody knows. */
  expiresAt: Date | null;
  /** When it is due. Null with an end: it was due, and nobody used it then. */
  renewAt: Date | null;
  /** The generation that the provider refused, and the one that a person asked to have renewed. */
  refusedGeneration: number | null;
  forcedGeneration: number | null;
  /** Renewals in a row that were not carried out, and when the next may be tried. */
  failures: number;
  retryAt: Date | null;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
/** A lease lasts less: none outlives its token. */
const MARGIN_MS = 5 * SECOND_MS;
const LIFE_SHARE = 0.75;
const BEFORE_END_MS = 5 * MINUTE_MS;
/** However short a life is. */
const FLOOR_MS = 30 * SECOND_MS;
const JITTER_SHARE = 0.1;
/** After so many renewals in a row that failed, others serve in place of a token that has run out. */
const FAILURES_UNTIL_STOOD_DOWN = 5;
/** Or after one, if the next try is further away than a request waits. */
const PATIENCE_MS = 20 * SECOND_MS;
/** While the token does not serve, somebody waits: a provider that is back is found within a request's patience. */
const URGENT_SECONDS = [1, 2, 4, 8, 15];
const PATIENT_SECONDS = [60, 120, 300, 600, 900];
/** Whatever a provider says, 0 included. */
const [LEAST_RETRY_AFTER, MOST_RETRY_AFTER] = [5, 300];
const LONGEST_PAUSE_MS = Math.max(...PATIENT_SECONDS, MOST_RETRY_AFTER) * SECOND_MS * (1 + JITTER_SHARE);

/** True while requests may be sent with it. */
export function serves(token: TokenState, now: Date): boolean {
  const { generation, expiresAt, renewAt, refusedGeneration } = token;
  if (generation === 0 || refusedGeneration === generation) return false;
  if (expiresAt === null || expiresAt.getTime() - MARGIN_MS > now.getTime()) return true;
  // Renewed a moment ago: one whose life is shorter than the margin serves as long as its floor, or it would be renewed at each request.
  return renewAt !== null && renewAt > now;
}

/** Why it is to be renewed now; null when it need not be. */
export function reasonToRenew(token: TokenState, now: Date): RotationReason | null {
  const { generation, expiresAt, renewAt, refusedGeneration, forcedGeneration } = token;
  if (refusedGeneration === generation && generation > 0) return 'rejected';
  if (forcedGeneration === generation) return 'forced';
  if (!serves(token, now)) return 'expired';
  if (renewAt === null) return expiresAt === null ? null : 'due';
  return renewAt <= now ? 'due' : null;
}

/** True while a renewal that failed is not tried again yet. An end that is further away than any pause lasts was set by a clock that was wrong then: it may be years away, and is none. */
export function isPausing({ retryAt }: TokenState, now: Date): boolean {
  return retryAt !== null && retryAt > now && retryAt.getTime() - now.getTime() <= LONGEST_PAUSE_MS;
}

/** True when it does not serve and could not be renewed for so long that others take its place, if there are any. It is still tried. */
export function isStoodDown(token: TokenState, now: Date): boolean {
  const { failures, retryAt } = token;
  const isFarAway = retryAt !== null && retryAt.getTime() - now.getTime() > PATIENCE_MS;
  return (failures >= FAILURES_UNTIL_STOOD_DOWN || isFarAway) && !serves(token, now);
}

/**
 * When a token that was got at `since` is due: at 75 % of its life or five minutes before its end, whichever is earlier; one with a short life at 75 %, and never sooner than after
 * 30 seconds. Up to 10 % later by chance (`random` from 0 to 1), so that those of one moment are not due in one moment again.
 */
export function dueAt(since: Date, expiresAt: Date, random: number): Date {
  const life = Math.max(0, expiresAt.getTime() - since.getTime());
  const early = Math.min(LIFE_SHARE * life, life - BEFORE_END_MS);
  const least = Math.max(FLOOR_MS, LIFE_SHARE * Math.min(life, BEFORE_END_MS));
  const wait = Math.max(early, least);
  // The jitter may not eat up the time that a renewal takes.
  const latest = Math.max(wait, Math.min(wait * (1 + JITTER_SHARE), life - 2 * MARGIN_MS));
  return new Date(since.getTime() + Math.round(wait + (latest - wait) * random));
}

/** As `dueAt`, of a token that was brought and not got: what is left of its life may be less than a floor, and then it is due at once. */
export function firstDueAt(since: Date, expiresAt: Date): Date {
  const due = dueAt(since, expiresAt, 0);
  return due < expiresAt ? due : since;
}

/**
 * When a renewal that failed for the nth time in a row is tried again. While the token still serves the pauses are long, but none reaches beyond its end (`expiresAt`): from then on somebody waits,
 * and whoever comes first is to find a provider that is back.
 */
export function retryAfter(
  now: Date,
  {
    failures,
    urgent,
    saidSeconds,
    expiresAt,
  }: { failures: number; urgent: boolean; saidSeconds: number | null; expiresAt: Date | null },
  random: number,
): Date {
  const steps = urgent ? URGENT_SECONDS : PATIENT_SECONDS;
  const own = (steps[Math.min(failures, steps.length) - 1] ?? 0) * SECOND_MS;
  const said = saidSeconds === null || saidSeconds <= 0 ? 0 : clamp(saidSeconds) * SECOND_MS;
  const chance = 1 + JITTER_SHARE * random;
  const untilEnd =
    urgent || expiresAt === null
      ? Infinity
      : Math.max(SECOND_MS, expiresAt.getTime() - MARGIN_MS - now.getTime());
  return new Date(now.getTime() + Math.round(Math.max(Math.min(own * chance, untilEnd), said * chance)));
}

function clamp(seconds: number): number {
  return Math.min(MOST_RETRY_AFTER, Math.max(LEAST_RETRY_AFTER, seconds));
}
