import type { Candidate, Kind, Resolution } from '../contracts/index.js';
import { kinds } from './kinds.js';

const DAY_MS = 24 * 3600 * 1000;
/** So many days before its end people are told to connect a login anew, as Claude Code itself does (providers.md 1.3). */
const WARN_DAYS = 3;

/** When the provider ends the login itself, however often it is refreshed; null where it does not. */
export function loginEndOf({ kind, connectedAt }: { kind: string; connectedAt: Date }): Date | null {
  const { loginDays } = kinds[kind as Kind];
  return loginDays === null ? null : new Date(connectedAt.getTime() + loginDays * DAY_MS);
}

/** When people are to be told of that end; null where there is none. */
export function warnAtOf(kind: Kind, connectedAt: Date): Date | null {
  const end = loginEndOf({ kind, connectedAt });
  return end && new Date(end.getTime() - WARN_DAYS * DAY_MS);
}

/** The explanation, with a word at each login that ends soon: it serves, and somebody has to connect it again before it does not. */
export function withEnds(
  resolution: Resolution,
  rows: readonly { id: string; kind: string; connectedAt: Date }[],
  now: Date,
): Resolution {
  const warned = (candidate: Candidate): Candidate => {
    const row = rows.find(({ id }) => id === candidate.credentialId);
    const end = row && candidate.usable ? loginEndOf(row) : null;
    if (!end || end.getTime() - now.getTime() > WARN_DAYS * DAY_MS) return candidate;
    const word = end > now ? 'ends at' : 'was to end at';
    return {
      ...candidate,
      reason: `${candidate.reason}; the login ${word} ${end.toISOString()}: connect it again`,
    };
  };
  const { agent, chosen, candidates } = resolution;
  return { agent, chosen: chosen && warned(chosen), candidates: candidates.map(warned) };
}
