import type { BudgetPeriod, BudgetScope } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { Prisma } from '../database/generated/client.js';
import type { Slice } from '../http/index.js';
import type { KnownRepository } from '../workspaces/index.js';
import type { BudgetFacts, BudgetTerms, BudgetUse } from './budget.js';
import { periodAt } from './period.js';

/** What calls are used for: by it is known which budgets they concern. */
export interface UsedFor {
  workspaceIds: string[];
  repositories: KnownRepository[];
  memberIds: string[];
}

/** A sum after something was added, and who was told of it. */
export type BookedSum = BudgetUse & { alertedAt: Date | null; spentAt: Date | null };

/** The only writer of budgets and their sums. */
export const budgetsStore = {
  /** Until the transaction ends no budget of the organization is set or changed: what is booked meanwhile is in the sums, or in none. */
  async holdStill(tenant: Tenant): Promise<void> {
    await tenant.db.$executeRaw`select pg_advisory_xact_lock_shared(hashtextextended(${lockOf(tenant)}, 0))`;
  },

  /** Until the transaction ends nothing is booked in the organization. */
  async holdBookings(tenant: Tenant): Promise<void> {
    await tenant.db.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${lockOf(tenant)}, 0))`;
  },

  count({ db, organizationId }: Tenant): Promise<number> {
    return db.budget.count({ where: { organizationId } });
  },

  page(tenant: Tenant, { after, take }: Slice, now: Date): Promise<BudgetFacts[]> {
    const from = after === null ? Prisma.empty : Prisma.sql`and b.id > ${after}::uuid`;
    return facts(tenant, now, Prisma.sql`${from} order by b.id limit ${take}`);
  },

  async find(tenant: Tenant, id: string, now: Date): Promise<BudgetFacts | null> {
    return (await facts(tenant, now, Prisma.sql`and b.id = ${id}::uuid`))[0] ?? null;
  },

  /** Those that such calls use, in the order in which their sums are to be locked. */
  concerned(
    tenant: Tenant,
    { workspaceIds, repositories, memberIds }: UsedFor,
    now: Date,
  ): Promise<BudgetFacts[]> {
    const [numbers, names] = [
      repositories.map(({ repositoryId }) => repositoryId),
      repositories.map(({ name }) => name),
    ];
    // As `isFor`: where both have a number it alone counts.
    return facts(
      tenant,
      now,
      Prisma.sql`and (b.scope = 'organization'
        or (b.scope = 'workspace' and b.subject = any (${workspaceIds}))
        or (b.scope = 'repository' and exists (
             select 1 from unnest(${numbers}::text[], ${names}::text[]) as r (id, name)
              where case when b.repository_id is null or r.id is null then b.subject = r.name else b.repository_id = r.id end))
        or (b.scope = 'member' and b.subject = any (${memberIds}))) order by b.id`,
    );
  },

  async save({ db, organizationId }: Tenant, terms: BudgetTerms, at: Date): Promise<void> {
    const { id, ...change } = terms;
    await db.budget.upsert({
      where: { organizationId_id: { organizationId, id } },
      create: { ...terms, organizationId, createdAt: at, updatedAt: at },
      update: { ...change, updatedAt: at },
    });
  },

  /** From now on it is of this repository, and goes by this name. */
  async know(
    { db, organizationId }: Tenant,
    id: string,
    { name: subject, repositoryId }: KnownRepository,
  ): Promise<void> {
    await db.budget.updateMany({ where: { organizationId, id }, data: { subject, repositoryId } });
  },

  /** What the ledger says, in place of what stood there; people are told anew. */
  async addUp({ db, organizationId }: Tenant, terms: BudgetTerms, now: Date): Promise<void> {
    const { from } = periodAt(terms.period, now);
    await db.budgetSum.deleteMany({ where: { organizationId, budgetId: terms.id } });
    await db.$executeRaw`
      insert into budget_sum (organization_id, budget_id, period_start, nano, tokens, calls, unknown_calls, estimated_nano)
      select ${organizationId}::uuid, ${terms.id}::uuid, ${from}, coalesce(sum(weight_nano), 0)::bigint, coalesce(sum(weight_tokens), 0)::bigint, count(*),
             count(*) filter (where input_tokens is null or output_tokens is null),
             coalesce(sum(weight_nano) filter (where cost_nano is null), 0)::bigint
        from usage_entry where organization_id = ${organizationId}::uuid and at >= ${from} ${ofSubject(terms)}`;
  },

  /** Adds to the sum of a period, and locks it until the transaction ends. */
  async add(
    { db, organizationId }: Tenant,
    budgetId: string,
    from: Date,
    { nano, tokens, calls, unknownCalls, estimatedNano }: BudgetUse,
  ): Promise<BookedSum> {
    const rows = await db.$queryRaw<BookedSum[]>`
      insert into budget_sum as s (organization_id, budget_id, period_start, nano, tokens, calls, unknown_calls, estimated_nano)
      values (${organizationId}::uuid, ${budgetId}::uuid, ${from}, ${nano}, ${tokens}, ${calls}, ${unknownCalls}, ${estimatedNano})
      on conflict (budget_id, period_start) do update
        set nano = s.nano + excluded.nano, tokens = s.tokens + excluded.tokens, calls = s.calls + excluded.calls,
            unknown_calls = s.unknown_calls + excluded.unknown_calls, estimated_nano = s.estimated_nano + excluded.estimated_nano
      returning nano, tokens, calls, unknown_calls as "unknownCalls", estimated_nano as "estimatedNano", alerted_at as "alertedAt", spent_at as "spentAt"`;
    const [row] = rows;
    if (!row) throw new Error('A sum that was written was not answered.');
    return row;
  },

  /** People were told. The sum is locked by who calls. */
  async told(
    { db, organizationId }: Tenant,
    budgetId: string,
    periodStart: Date,
    at: { alertedAt?: Date; spentAt?: Date },
  ): Promise<void> {
    await db.budgetSum.updateMany({ where: { organizationId, budgetId, periodStart }, data: at });
  },

  async remove({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.budget.deleteMany({ where: { organizationId, id } });
  },
};

const lockOf = ({ organizationId }: Tenant): string => `budgets of ${organizationId}`;

function ofSubject({ scope, subject, repositoryId }: BudgetTerms): Prisma.Sql {
  switch (scope) {
    case 'organization':
      return Prisma.empty;
    case 'member':
      return Prisma.sql`and member_id = ${subject}::uuid`;
    case 'repository':
      return Prisma.sql`and case when repository_id is null or ${repositoryId}::text is null then repository = ${subject} else repository_id = ${repositoryId} end`;
    case 'workspace':
      return Prisma.sql`and workspace_id = ${subject}::uuid`;
  }
}

interface Row extends Omit<BudgetFacts, 'scope' | 'period'> {
  scope: string;
  period: string;
}

/** Budgets with what of them is used in the period that runs. */
async function facts({ db, organizationId }: Tenant, now: Date, which: Prisma.Sql): Promise<BudgetFacts[]> {
  const [day, month, total] = (['day', 'month', 'total'] as const).map((word) => periodAt(word, now).from);
  const rows = await db.$queryRaw<Row[]>`
    select b.id, b.scope, b.subject, b.repository_id as "repositoryId", b.limit_nano as "limitNano", b.limit_tokens as "limitTokens", b.period, b.alert_percent as "alertPercent",
           b.created_at as "createdAt", coalesce(s.nano, 0) as nano, coalesce(s.tokens, 0) as tokens, coalesce(s.calls, 0) as calls,
           coalesce(s.unknown_calls, 0) as "unknownCalls", coalesce(s.estimated_nano, 0) as "estimatedNano"
      from budget b
      left join budget_sum s on s.organization_id = b.organization_id and s.budget_id = b.id
       and s.period_start = case b.period when 'day' then ${day}::timestamptz when 'month' then ${month}::timestamptz else ${total}::timestamptz end
     where b.organization_id = ${organizationId}::uuid ${which}`;
  return rows.map((row) => ({
    ...row,
    scope: row.scope as BudgetScope,
    period: row.period as BudgetPeriod,
  }));
}
