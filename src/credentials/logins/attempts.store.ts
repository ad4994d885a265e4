import type { Tenant } from '../../database/index.js';
import type { CredentialPlace } from '../credentials.store.js';
import type { AttemptState } from './attempt.js';

const shown = {
  id: true,
  userId: true,
  subject: true,
  scope: true,
  kind: true,
  state: true,
  message: true,
  pollAt: true,
  createdAt: true,
  expiresAt: true,
} as const;

export interface NewAttempt {
  id: string;
  /** Who began it. */
  userId: string;
  stateHash: string | null;
  sealed: string;
  keyId: string;
  pollAt: Date | null;
  createdAt: Date;
  expiresAt: Date;
}

/** Whose credential an attempt is to become, as one text. */
export const subjectOf = ({ userId }: Pick<CredentialPlace, 'userId'>): string => userId ?? 'organization';

const OPEN: AttemptState[] = ['pending', 'exchanging'];

/** Attempts to connect a login, of one tenant. What proves them leaves only through `sealed`. */
export const attemptsStore = {
  /** Begins one in place of any that is open. Two at once: a unique violation for the second, which then comes after the first. */
  async begin({ db, organizationId }: Tenant, place: CredentialPlace, attempt: NewAttempt): Promise<void> {
    const { scope, kind } = place;
    const subject = subjectOf(place);
    await db.loginAttempt.updateMany({
      where: { organizationId, subject, kind, state: { in: OPEN } },
      data: { state: 'replaced', pollAt: null },
    });
    await db.loginAttempt.create({
      data: { ...attempt, organizationId, subject, scope, kind, state: 'pending' },
      select: { id: true },
    });
  },

  latest({ db, organizationId }: Tenant, place: CredentialPlace) {
    return db.loginAttempt.findFirst({
      where: { organizationId, subject: subjectOf(place), kind: place.kind },
      orderBy: { id: 'desc' },
      select: shown,
    });
  },

  byState({ db, organizationId }: Tenant, stateHash: string) {
    return db.loginAttempt.findFirst({ where: { organizationId, stateHash }, select: shown });
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.loginAttempt.findFirst({ where: { organizationId, id }, select: shown });
  },

  sealed({ db, organizationId }: Tenant, id: string) {
    return db.loginAttempt.findFirst({ where: { organizationId, id }, select: { sealed: true } });
  },

  /** The same under another key, if it is still the same. */
  async reseal(
    { db, organizationId }: Tenant,
    id: string,
    before: string,
    { text, keyId }: { text: string; keyId: string },
  ): Promise<boolean> {
    const { count } = await db.loginAttempt.updateMany({
      where: { organizationId, id, sealed: before },
      data: { sealed: text, keyId },
    });
    return count > 0;
  },

  /** Moves it from one state to another, if it still is in the first; of several at once one does. */
  async move(
    { db, organizationId }: Tenant,
    id: string,
    from: AttemptState,
    to: AttemptState,
    more: { message?: string | null; expiresAt?: Date; pollAt?: Date | null } = {},
  ): Promise<boolean> {
    const { count } = await db.loginAttempt.updateMany({
      where: { organizationId, id, state: from },
      data: { state: to, ...more },
    });
    return count > 0;
  },

  /** Takes the next look at the provider: of several at once one does. */
  async takePoll(
    { db, organizationId }: Tenant,
    { id, pollAt }: { id: string; pollAt: Date | null },
    next: Date,
  ): Promise<boolean> {
    const { count } = await db.loginAttempt.updateMany({
      where: { organizationId, id, state: 'pending', pollAt },
      data: { pollAt: next },
    });
    return count > 0;
  },

  /** What people are told while it waits (null: only that it does), and when the next look is where that was put off. */
  async tell(
    { db, organizationId }: Tenant,
    id: string,
    message: string | null,
    pollAt?: Date,
  ): Promise<void> {
    await db.loginAttempt.updateMany({
      where: { organizationId, id, state: 'pending' },
      data: { message, ...(pollAt ? { pollAt } : {}) },
    });
  },

  async remove({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.loginAttempt.deleteMany({ where: { organizationId, id } });
  },
};

export type AttemptRow = NonNullable<Awaited<ReturnType<typeof attemptsStore.find>>>;
