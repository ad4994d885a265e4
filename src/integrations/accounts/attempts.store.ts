import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Purpose } from './attempt.js';

export interface NewAttempt {
  id: string;
  userId: string;
  system: ExternalSystem;
  purpose: Purpose;
  stateHash: string;
  sealed: string;
  keyId: string;
  createdAt: Date;
  expiresAt: Date;
}

/** The only writer of ways to other systems and back. What proves them leaves only through `sealed` and `take`. */
export const attemptsStore = {
  /** Those that were over at `keptBefore` go on the way: of them nothing need be said any more. */
  async begin({ db, organizationId }: Tenant, attempt: NewAttempt, keptBefore: Date): Promise<void> {
    await db.connectionAttempt.deleteMany({ where: { organizationId, expiresAt: { lte: keptBefore } } });
    await db.connectionAttempt.create({ data: { ...attempt, organizationId }, select: { id: true } });
  },

  find({ db, organizationId }: Tenant, id: string) {
    return db.connectionAttempt.findFirst({
      where: { organizationId, id },
      select: { id: true, userId: true, system: true, purpose: true, expiresAt: true, usedAt: true },
    });
  },

  /** Uses it up: of many at once one does. */
  async use({ db, organizationId }: Tenant, id: string, at: Date): Promise<boolean> {
    const { count } = await db.connectionAttempt.updateMany({
      where: { organizationId, id, usedAt: null, expiresAt: { gt: at } },
      data: { usedAt: at },
    });
    return count > 0;
  },

  sealed({ db, organizationId }: Tenant, id: string) {
    return db.connectionAttempt.findFirst({ where: { organizationId, id }, select: { sealed: true } });
  },

  /** The same under another key, if it is still the same. */
  async reseal(
    { db, organizationId }: Tenant,
    id: string,
    before: string,
    { text, keyId }: { text: string; keyId: string },
  ): Promise<boolean> {
    const { count } = await db.connectionAttempt.updateMany({
      where: { organizationId, id, sealed: before },
      data: { sealed: text, keyId },
    });
    return count > 0;
  },
};
