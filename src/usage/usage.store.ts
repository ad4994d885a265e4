import type { UsageGroup, UsageLine } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { Prisma } from '../database/generated/client.js';

/** One model call in the ledger. */
export type NewUsage = Omit<Prisma.UsageEntryCreateManyInput, 'organizationId'>;

/** Which entries are asked for. */
export interface UsageFilter {
  from: Date;
  to: Date;
  /** One member's alone; null: everybody's. */
  memberId: string | null;
}

/** By what entries are added up, and what is shown beside it. */
const groups: Record<UsageGroup, { key: Prisma.Sql; name: Prisma.Sql }> = {
  member: { key: Prisma.sql`member_id::text`, name: Prisma.sql`member_name` },
  workspace: { key: Prisma.sql`workspace_id::text`, name: Prisma.sql`workspace_name` },
  repository: { key: Prisma.sql`repository`, name: Prisma.sql`null` },
  credential: { key: Prisma.sql`credential_id::text`, name: Prisma.sql`kind` },
  kind: { key: Prisma.sql`kind`, name: Prisma.sql`null` },
  model: { key: Prisma.sql`model`, name: Prisma.sql`null` },
  day: { key: Prisma.sql`to_char(at at time zone 'UTC', 'YYYY-MM-DD')`, name: Prisma.sql`null` },
};

type Counts = Omit<UsageLine, 'costUsd'> & { costNano: bigint };
type Row = { [K in keyof Counts]: Counts[K] extends number ? bigint : Counts[K] };

/** The only writer of the ledger, which is added to and never changed. */
export const usageStore = {
  /** Those that were not there yet: what is delivered twice counts once. */
  async add({ db, organizationId }: Tenant, entries: NewUsage[]): Promise<Set<string>> {
    const added = await db.usageEntry.createManyAndReturn({
      data: entries.map((entry) => ({ ...entry, organizationId })),
      skipDuplicates: true,
      select: { id: true },
    });
    return new Set(added.map(({ id }) => id));
  },

  /** In the order of their keys. */
  async sums(
    { db, organizationId }: Tenant,
    by: UsageGroup,
    { from, to, memberId }: UsageFilter,
    { skip, take }: { skip: number; take: number },
  ): Promise<(Omit<UsageLine, 'costUsd'> & { costNano: bigint })[]> {
    const { key, name } = groups[by];
    const whose = memberId === null ? Prisma.empty : Prisma.sql`and member_id = ${memberId}::uuid`;
    const rows = await db.$queryRaw<Row[]>`
      select ${key} as key,
             (array_agg(${name}::text order by at desc) filter (where ${name} is not null))[1] as name,
             count(*) as calls,
             count(*) filter (where input_tokens is null or output_tokens is null) as "unknownCalls",
             coalesce(sum(input_tokens), 0)::bigint as "inputTokens",
             coalesce(sum(output_tokens), 0)::bigint as "outputTokens",
             coalesce(sum(cache_read_tokens), 0)::bigint as "cacheReadTokens",
             coalesce(sum(cache_write_tokens), 0)::bigint as "cacheWriteTokens",
             coalesce(sum(cost_nano), 0)::bigint as "costNano",
             count(*) filter (where cost_nano is null) as "unpricedCalls",
             count(*) filter (where not billed) as "unbilledCalls"
        from usage_entry
       where organization_id = ${organizationId}::uuid and at >= ${from} and at < ${to} ${whose}
       group by 1 order by 1 nulls first limit ${take} offset ${skip}`;
    return rows.map(({ key: of, name: called, costNano, ...counts }) => ({
      key: of,
      name: called,
      costNano,
      ...(Object.fromEntries(Object.entries(counts).map(([word, value]) => [word, Number(value)])) as Omit<
        UsageLine,
        'key' | 'name' | 'costUsd'
      >),
    }));
  },
};
