import type { Tenant } from '../../database/index.js';
import type { StoredReply } from './content.js';

/** The only writer of replies, and of their numbers in the row of their conversation. */
export const repliesStore = {
  /**
   * Adds a reply with the next number of its conversation, to be said at once. False: its cause added one before. The conversation's row is locked before the look, so that the same cause told twice at
   * once cannot find it missing twice. Throws when there is no such conversation.
   */
  async add(
    { db, organizationId }: Tenant,
    conversationId: string,
    reply: { id: string; key: string; stored: StoredReply; at: Date },
  ): Promise<boolean> {
    const where = { organizationId_id: { organizationId, id: conversationId } };
    await db.conversation.update({ where, data: { lastReplySeq: { increment: 0 } }, select: { id: true } });
    const known = await db.reply.findFirst({
      where: { organizationId, conversationId, key: reply.key },
      select: { id: true },
    });
    if (known) return false;
    const { lastReplySeq: seq } = await db.conversation.update({
      where,
      data: { lastReplySeq: { increment: 1 } },
      select: { lastReplySeq: true },
    });
    const { id, key, stored, at } = reply;
    await db.reply.create({
      data: {
        id,
        organizationId,
        conversationId,
        seq,
        key,
        content: stored,
        state: 'waiting',
        nextAt: at,
        createdAt: at,
      },
      select: { id: true },
    });
    return true;
  },
};
