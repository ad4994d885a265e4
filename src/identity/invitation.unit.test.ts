import { randomBytes } from 'node:crypto';
import { hashToken } from './api-key.js';
import { endOf, expiryOf, newInvitationToken } from './invitation.js';

const now = new Date('2026-03-01T12:00:00.000Z');
const open = { expiresAt: expiryOf(now), acceptedAt: null, revokedAt: null };

describe('the token of an invitation', () => {
  it('has 256 bits, fits into a link as it is, and is found by its hash', () => {
    const { text, hash } = newInvitationToken(randomBytes);
    expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(hash).toBe(hashToken(text));
  });
});

describe('an invitation', () => {
  it('is good for seven days, to the millisecond', () => {
    expect(open.expiresAt.toISOString()).toBe('2026-03-08T12:00:00.000Z');
    expect(endOf(open, now)).toBeNull();
    expect(endOf(open, new Date(open.expiresAt.getTime() - 1))).toBeNull();
    expect(endOf(open, open.expiresAt)?.message).toContain('expired on 2026-03-08');
  });

  it.each<[string, object, string]>([
    ['accepted', { acceptedAt: now }, 'accepted already'],
    ['revoked', { revokedAt: now }, 'taken back or replaced'],
    ['accepted, and expired since', { acceptedAt: now, expiresAt: now }, 'accepted already'],
  ])('that is %s is over, and says so', (_, change, words) => {
    expect(endOf({ ...open, ...change }, now)).toMatchObject({ code: 'invitation-over', status: 410 });
    expect(endOf({ ...open, ...change }, now)?.message).toContain(words);
  });
});
