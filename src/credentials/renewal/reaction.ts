import type { ProxyReportItem } from '../../contracts/index.js';
import type { Renewal } from '../providers/token-source.js';

/** What was reported of a credential, as far as a reaction depends on it. */
export type ReportedType = Exclude<ProxyReportItem['type'], 'served' | 'usage' | 'blocked'>;

export interface Reported {
  type: ReportedType;
  generation: number;
  /** Of `limited`: when the provider says that there is quota again. */
  until: Date | null;
}

/** The credential by its row, at the moment of the report. */
export interface ReportedOn {
  generation: number;
  status: 'active' | 'refreshing' | 'rejected';
  /** Whether its tokens can be renewed at all. */
  renewable: boolean;
  refusedGeneration: number | null;
}

/**
 * - `nothing`: it is of an older generation (whoever asks gets the newer one), or known already.
 * - `renew`: the token is refused; get another, once.
 * - `reject`: what was set is refused, and nothing can be renewed: the next one serves.
 * - `note`: kept for people, and nothing else: a newer token would not help.
 * - `limit`: its quota is used up; the next one serves until it is there again.
 */
export type Reaction = 'nothing' | 'renew' | 'reject' | 'note' | 'limit';

/** The table of providers.md 0.13, for what a proxy reports. Overload, failures of the provider and rates that are over in moments are no matter of the credential. */
export function reactionTo(report: Reported, row: ReportedOn, now: Date): Reaction {
  if (report.generation !== row.generation) return 'nothing';
  switch (report.type) {
    case 'refused':
      if (row.status === 'rejected' || row.refusedGeneration === row.generation) return 'nothing';
      return row.renewable ? 'renew' : 'reject';
    case 'denied':
      // What people are shown of one that has ended is why: a word that comes late of another call must not take its place.
      return row.status === 'rejected' ? 'nothing' : 'note';
    case 'limited':
      return report.until !== null && report.until > now ? 'limit' : 'nothing';
  }
}

/** What is known of a call to a token endpoint beside its outcome. */
export interface CallFacts {
  /** Whether nothing is spent by asking: a token that is minted can be asked for as often as one likes. */
  repeatable: boolean;
  /** For how long after a call whose answer was lost the provider answers it again; 0: it does not say that it does. */
  graceSeconds: number;
  /** Since the call. */
  ageSeconds: number;
  /** How many calls of this generation ended like this before. */
  unknownBefore: number;
}

/**
 * - `store`: there are new tokens.
 * - `reject`: only a person can mend it. The next one serves.
 * - `later`: again after a pause; the token serves meanwhile if it does at all.
 * - `again`: the same call at once, which the provider answers as it did before.
 */
export type Settlement = 'store' | 'reject' | 'later' | 'again';

/** The table of providers.md 0.13, for what a token endpoint answered (0.9) or did not: a refresh token whose fate nobody knows is never sent again outside of a documented grace. */
export function settlementOf(outcome: Renewal['outcome'], call: CallFacts): Settlement {
  switch (outcome) {
    case 'renewed':
      return 'store';
    case 'rejected':
      return 'reject';
    case 'failed':
      return 'later';
    case 'unknown':
      if (call.repeatable) return 'later';
      return call.ageSeconds < call.graceSeconds && call.unknownBefore === 0 ? 'again' : 'reject';
  }
}
