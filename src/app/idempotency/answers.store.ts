import { tryLock, type KeptAnswerRow, type Tenant } from '../../database/index.js';

/** Answers kept for an organization's members. Those of no organization are the SystemStore's. */
export const answersStore = {
  /** Takes the answer's lock until the transaction ends; false when another has it. */
  lock({ db }: Tenant, id: string): Promise<boolean> {
    return tryLock(db, id);
  },

  find({ db, organizationId }: Tenant, id: string): Promise<KeptAnswerRow | null> {
    return db.idempotentAnswer.findUnique({ where: { id, organizationId } });
  },

  async keep({ db, organizationId }: Tenant, row: KeptAnswerRow): Promise<void> {
    await db.idempotentAnswer.create({ data: { ...row, organizationId } });
  },

  /** The same answer under another key, if it is still there as it was. */
  async reseal(
    { db, organizationId }: Tenant,
    id: string,
    before: string,
    { text, keyId }: { text: string; keyId: string },
  ): Promise<boolean> {
    const { count } = await db.idempotentAnswer.updateMany({
      where: { id, organizationId, sealed: before },
      data: { sealed: text, keyId },
    });
    return count > 0;
  },

  async remove({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.idempotentAnswer.deleteMany({ where: { id, organizationId } });
  },
};
