import type {
  AuditAction,
  AuditActor,
  AuditDetails,
  AuditEntryView,
  AuditSubject,
} from '../contracts/index.js';
import type { Tenant, Transaction } from '../database/index.js';
import type { Prisma } from '../database/generated/client.js';
import { GENESIS_HASH, type ChainHead } from '../kernel/index.js';

/** What is looked for; a bound that is null does not bind. */
export interface AuditFilter {
  action: AuditAction | null;
  actorId: string | null;
  subjectId: string | null;
  since: Date | null;
  until: Date | null;
}

/** The only writer of audit entries; the heads of the chains are written by the database itself as entries come. */
export const auditStore = {
  /** The end of the chain, held until the transaction ends: take it last, everybody of the organization wants it. */
  async lockHead(db: Transaction, chain: string): Promise<ChainHead> {
    const rows = await db.$queryRaw<{ last_seq: number; last_hash: string }[]>`
      select last_seq, last_hash from audit_lock_head(${chain}::uuid)`;
    return { chain, seq: rows[0]?.last_seq ?? 0, hash: rows[0]?.last_hash ?? GENESIS_HASH };
  },

  /** Fails when the entry does not follow the head. */
  async add(db: Transaction, entry: AuditEntryView): Promise<void> {
    const { chain, actor, subject, ...columns } = entry;
    // createMany, since it reads nothing back: the system's login may add entries and not read them.
    await db.auditEntry.createMany({
      data: [
        {
          ...columns,
          organizationId: chain,
          actorType: actor.type,
          actorId: actor.id,
          actorName: actor.name,
          apiKeyId: actor.apiKeyId,
          subjectType: subject?.type ?? null,
          subjectId: subject?.id ?? null,
          subjectName: subject?.name ?? null,
        },
      ],
    });
  },

  /** Entries after (or, newest first, before) a number. */
  async page(
    { db, organizationId }: Tenant,
    filter: AuditFilter,
    order: 'newest' | 'oldest',
    from: number | null,
    take: number,
  ): Promise<AuditEntryView[]> {
    const bound = from === null ? {} : { seq: order === 'newest' ? { lt: from } : { gt: from } };
    const rows = await db.auditEntry.findMany({
      where: { organizationId, ...conditions(filter), ...bound },
      orderBy: { seq: order === 'newest' ? 'desc' : 'asc' },
      take,
    });
    return rows.map(view);
  },

  /** Entries after `after` (null: from whatever is the first) and up to `to`, oldest first. */
  async range({ db, organizationId }: Tenant, after: number | null, to: number, take: number) {
    const rows = await db.auditEntry.findMany({
      where: { organizationId, seq: { ...(after === null ? {} : { gt: after }), lte: to } },
      orderBy: { seq: 'asc' },
      take,
    });
    return rows.map(view);
  },

  /** The head, and the number of the last entry there is: read in one look, so that no entry can come between them. */
  async end({ db, organizationId }: Tenant): Promise<{ head: ChainHead | null; last: number }> {
    const rows = await db.$queryRaw<{ seq: number | null; hash: string | null; last: number }[]>`
      select h.seq, h.hash, coalesce((select max(seq) from audit_entry where organization_id = ${organizationId}::uuid), 0) as last
        from (select 1) one left join audit_head h on h.organization_id = ${organizationId}::uuid`;
    const { seq, hash, last } = rows[0] ?? { seq: null, hash: null, last: 0 };
    return { head: seq === null || hash === null ? null : { chain: organizationId, seq, hash }, last };
  },
};

function conditions({ action, actorId, subjectId, since, until }: AuditFilter): Prisma.AuditEntryWhereInput {
  return {
    ...(action === null ? {} : { action }),
    ...(actorId === null ? {} : { actorId }),
    ...(subjectId === null ? {} : { subjectId }),
    at: { ...(since === null ? {} : { gte: since }), ...(until === null ? {} : { lt: until }) },
  };
}

type Row = Prisma.AuditEntryGetPayload<object>;

/** The row as what was hashed. Nothing is made right here: what somebody changed has to show. */
function view(row: Row): AuditEntryView {
  return {
    chain: row.organizationId,
    seq: row.seq,
    at: row.at.toISOString(),
    action: row.action as AuditAction,
    actor: {
      type: row.actorType as AuditActor['type'],
      id: row.actorId,
      name: row.actorName,
      apiKeyId: row.apiKeyId,
    },
    subject:
      row.subjectType === null
        ? null
        : { type: row.subjectType as AuditSubject['type'], id: row.subjectId, name: row.subjectName },
    details: row.details as AuditDetails,
    requestId: row.requestId,
    previousHash: row.previousHash,
    hash: row.hash,
  };
}
