import type { ExternalSystem } from '../../contracts/index.js';
import { externalSystemNames } from '../../contracts/index.js';

/** What a way leads to: the App of this Berth (`app`), the organization's tie to the system (`connect`), a member's own account there (`account`). */
export type Purpose = 'app' | 'connect' | 'account';

/** As long as somebody takes to sign in, and to have a second factor at hand. */
export const ATTEMPT_SECONDS = 15 * 60;

export interface AttemptFacts {
  system: string;
  userId: string;
  usedAt: Date | null;
  expiresAt: Date;
}

/** Why somebody who came back from another system cannot go on, in a sentence that says what to do; null when they can. `person` is who is signed in with this browser, if anybody is. */
export function refusalOf(
  attempt: AttemptFacts | null,
  system: ExternalSystem,
  person: { id: string } | null,
  now: Date,
): string | null {
  if (attempt?.system !== system)
    return `Berth began nothing at ${externalSystemNames[system]} that this answer belongs to. Begin again in Berth, and finish in the same browser.`;
  // A link that one person began and another finishes would tie the second one's account to the first.
  if (person && person.id !== attempt.userId)
    return 'Somebody else began this, and you are signed in with this browser. Begin it yourself; nothing was connected.';
  if (attempt.usedAt)
    return 'This answer was used already, and each serves once. See what is connected, or begin again.';
  if (attempt.expiresAt <= now)
    return 'This took longer than a quarter of an hour, for which a link is good. Begin again; nothing was connected.';
  return null;
}

/**
 * Whether a browser came back in which nobody is signed in, so that whoever sits there is asked first. Somebody may have been sent a link that another began: what they prove at the other system would be that one's. Browsers
 * say so themselves, and truly (Fetch Metadata): a link of our own page is `same-origin`; programs, which somebody started on purpose, say nothing.
 */
export function isToBeAsked(
  person: { id: string } | null,
  mode: string | undefined,
  site: string | undefined,
): boolean {
  return person === null && mode === 'navigate' && site !== 'same-origin';
}
