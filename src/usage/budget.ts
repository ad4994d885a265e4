import type { BudgetPeriod, BudgetScope, BudgetView, Kind } from '../contracts/index.js';
import { BerthError } from '../kernel/index.js';
import type { KnownRepository } from '../workspaces/index.js';
import { isBilled } from './charge.js';
import { periodAt } from './period.js';

/** What a budget allows. One of the limits is null. */
export interface BudgetTerms {
  id: string;
  scope: BudgetScope;
  subject: string | null;
  /** GitHub's number of the repository; null: it is known by its name alone, or the budget is of something else. */
  repositoryId: string | null;
  limitNano: bigint | null;
  limitTokens: bigint | null;
  period: BudgetPeriod;
  alertPercent: number;
}

/** What of it is used in a period. */
export interface BudgetUse {
  nano: bigint;
  tokens: bigint;
  calls: number;
  unknownCalls: number;
  estimatedNano: bigint;
}

export type BudgetFacts = BudgetTerms & BudgetUse & { createdAt: Date };
export type BudgetState = BudgetView['used']['state'];

const NANO_PER_USD = 1_000_000_000;
const NANO_PER_CENT = 10_000_000;

export const usdOf = (nano: bigint): number => Number(nano) / NANO_PER_USD;
/** Cents are whole, so that no fraction of a billionth is lost on the way. */
export const nanoOf = (usd: number): bigint => BigInt(Math.round(usd * 100)) * BigInt(NANO_PER_CENT);

/** Whether calls with credentials of this kind use the budget: one in dollars is used by those alone that are paid by the token. */
export function concerns({ limitTokens }: Pick<BudgetTerms, 'limitTokens'>, kind: Kind): boolean {
  return limitTokens !== null || isBilled(kind);
}

/** Whether what is done here, for this member, uses the budget. */
export function isFor(
  budget: Pick<BudgetTerms, 'scope' | 'subject' | 'repositoryId'>,
  {
    workspaceId,
    repository,
    memberId,
  }: { workspaceId: string; repository: KnownRepository; memberId: string },
): boolean {
  const { scope, subject } = budget;
  if (scope === 'organization') return true;
  if (scope === 'repository') return isOf(budget, repository);
  return subject === { workspace: workspaceId, member: memberId }[scope];
}

/** Where both have a number it alone says whether it is the same: names change hands. */
function isOf(
  { subject, repositoryId }: Pick<BudgetTerms, 'subject' | 'repositoryId'>,
  repository: KnownRepository,
): boolean {
  return repositoryId === null || repository.repositoryId === null
    ? subject === repository.name
    : repositoryId === repository.repositoryId;
}

/**
 * As what the budget of a repository is known once a call of it counts in it, where that is not how it stands: which one it is, and how it is called now. GitHub takes no notice of case, and people
 * write as they like.
 */
export function knownNow(
  { scope, subject, repositoryId }: Pick<BudgetTerms, 'scope' | 'subject' | 'repositoryId'>,
  repository: KnownRepository,
): KnownRepository | null {
  if (scope !== 'repository' || repository.repositoryId === null) return null;
  const isCalledSo = subject?.toLowerCase() === repository.name.toLowerCase();
  return repositoryId !== null && isCalledSo ? null : repository;
}

export function stateOf({
  limitNano,
  limitTokens,
  nano,
  tokens,
  alertPercent,
}: BudgetTerms & BudgetUse): BudgetState {
  const [used, limit] = limitNano === null ? [tokens, limitTokens ?? 0n] : [nano, limitNano];
  if (used >= limit) return 'spent';
  return used * 100n >= limit * BigInt(alertPercent) ? 'nearly-spent' : 'open';
}

/** What an agent, and who reads it, is told: which budget, until when, and who can do something about it. */
export function spent(budget: BudgetTerms, now: Date): BerthError {
  const { until } = periodAt(budget.period, now);
  const again = until
    ? `It begins anew at ${until.toISOString().slice(0, 16).replace('T', ' ')} UTC.`
    : 'It does not begin anew by itself.';
  return new BerthError(
    'budget-spent',
    `The ${nameOf(budget)} is spent. ${again} An owner or admin of the organization can raise it in Berth under Budgets.`,
  );
}

/** As in "the daily budget of this workspace, $5.00". */
export function nameOf({ scope, subject, limitNano, limitTokens, period }: BudgetTerms): string {
  const when = { day: 'daily budget', month: 'monthly budget', total: 'budget' }[period];
  const whose = {
    organization: 'the organization',
    member: 'the member who asked',
    repository: `the repository ${subject ?? ''}`,
    workspace: 'this workspace',
  }[scope];
  const much = limitNano === null ? `${String(limitTokens)} tokens` : `$${usdOf(limitNano).toFixed(2)}`;
  return `${when} of ${whose}, ${much},`;
}

export function viewOf(budget: BudgetFacts, now: Date): BudgetView {
  const { id, scope, subject, limitNano, limitTokens, period, alertPercent, createdAt } = budget;
  const { from, until } = periodAt(period, now);
  return {
    id,
    scope,
    subject,
    limitUsd: limitNano === null ? null : usdOf(limitNano),
    limitTokens: limitTokens === null ? null : Number(limitTokens),
    period,
    alertPercent,
    createdAt: createdAt.toISOString(),
    used: {
      from: period === 'total' ? null : from.toISOString(),
      until: until?.toISOString() ?? null,
      state: stateOf(budget),
      usd: usdOf(budget.nano),
      estimatedUsd: usdOf(budget.estimatedNano),
      tokens: Number(budget.tokens),
      calls: budget.calls,
      unknownCalls: budget.unknownCalls,
    },
  };
}
