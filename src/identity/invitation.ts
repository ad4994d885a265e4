import { BerthError } from '../kernel/index.js';
import type { RandomBytes } from './api-key.js';
import { hashToken } from './api-key.js';

const TOKEN_BYTES = 32;
const DAY_MS = 24 * 3600 * 1000;
/** Long enough for a week of leave, short enough that a forgotten link does not stay open. */
const LIFE_DAYS = 7;

/** The token of a link; only its hash is stored. */
export function newInvitationToken(random: RandomBytes): { text: string; hash: string } {
  const text = random(TOKEN_BYTES).toString('base64url');
  return { text, hash: hashToken(text) };
}

export function expiryOf(createdAt: Date): Date {
  return new Date(createdAt.getTime() + LIFE_DAYS * DAY_MS);
}

/** What decides whether an invitation is still good. */
export interface InvitationFacts {
  expiresAt: Date;
  acceptedAt: Date | null;
  revokedAt: Date | null;
}

/** Why an invitation is not good any more, in a sentence that says what to do; null while it is. */
export function endOf({ acceptedAt, revokedAt, expiresAt }: InvitationFacts, now: Date): BerthError | null {
  const over = (what: string): BerthError => new BerthError('invitation-over', what);
  if (acceptedAt)
    return over('This invitation was accepted already, and each is good for one person. Sign in instead.');
  if (revokedAt)
    return over('This invitation was taken back or replaced. Ask who invited you for the new link.');
  if (expiresAt <= now)
    return over(
      `This invitation expired on ${expiresAt.toISOString().slice(0, 10)}. Ask who invited you for another.`,
    );
  return null;
}

export function unknownInvitation(): BerthError {
  return new BerthError(
    'invitation-invalid',
    'This is no invitation of this Berth. Copy the whole link, or ask who invited you for another.',
  );
}
