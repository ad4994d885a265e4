import { Injectable } from '@nestjs/common';
import {
  idSchema,
  type BudgetInput,
  type BudgetView,
  type Kind,
  type PageQuery,
} from '../contracts/index.js';
import { Audit, systemActor } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { invalid, pageOf, sliceOf, type Page } from '../http/index.js';
import { auditedMember, IdentityService, type Actor } from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import { Repositories, WorkspacesService, type KnownRepository } from '../workspaces/index.js';
import {
  concerns,
  isFor,
  knownNow,
  nanoOf,
  nameOf,
  spent,
  stateOf,
  usdOf,
  viewOf,
  type BudgetFacts,
  type BudgetState,
  type BudgetTerms,
} from './budget.js';
import { budgetsStore, type BookedSum } from './budgets.store.js';
import type { Charge } from './charge.js';
import { periodAt } from './period.js';
import type { UsedBy } from './used-by.js';

/** All of them are asked at each lease. */
const MAX_BUDGETS = 500;

/** Whom a lease is for. */
export interface LeasedTo {
  workspaceId: string;
  repository: KnownRepository;
  memberId: string;
  kind: Kind;
}

/** How much may be used: set by admins, kept with the ledger, asked at each lease. */
@Injectable()
export class Budgets {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly workspaces: WorkspacesService,
    private readonly repositories: Repositories,
    private readonly audit: Audit,
    private readonly world: World,
  ) {}

  /** Before credentials are lent, of each in this order: whether any budget is used by it; or, where one is spent, what is answered. Inside the transaction of the leases. */
  async admit(tenant: Tenant, all: LeasedTo[]): Promise<(boolean | BerthError)[]> {
    if (all.length === 0) return [];
    const now = this.world.clock.now();
    const usedFor = {
      workspaceIds: all.map(({ workspaceId }) => workspaceId),
      repositories: all.map(({ repository }) => repository),
      memberIds: all.map(({ memberId }) => memberId),
    };
    const concerned = await budgetsStore.concerned(tenant, usedFor, now);
    return all.map((one) => {
      const budgets = concerned.filter((budget) => isFor(budget, one) && concerns(budget, one.kind));
      const empty = budgets.find((budget) => stateOf(budget) === 'spent');
      return empty ? spent(empty, now) : budgets.length > 0;
    });
  }

  /** See `budgetsStore.holdStill`: to be called before anything is added to the ledger. */
  holdStill(tenant: Tenant): Promise<void> {
    return budgetsStore.holdStill(tenant);
  }

  /** Adds calls that came into the ledger at a time to the sums they belong to. */
  async book(tenant: Tenant, usedBy: UsedBy, calls: Charge[], at: Date): Promise<void> {
    if (calls.length === 0) return;
    const { workspaceId, repository, member } = usedBy;
    const usedFor = {
      workspaceIds: [workspaceId],
      repositories: [repository],
      memberIds: member ? [member.id] : [],
    };
    for (const budget of await budgetsStore.concerned(tenant, usedFor, at)) {
      const { from } = periodAt(budget.period, at);
      const known = knownNow(budget, repository);
      if (known) await budgetsStore.know(tenant, budget.id, known);
      const sum = await budgetsStore.add(tenant, budget.id, from, useOf(calls));
      await this.tellOf(tenant, workspaceId, budget, sum, at);
    }
  }

  list(actor: Actor, query: PageQuery): Promise<Page<BudgetView>> {
    const slice = sliceOf(query);
    const now = this.world.clock.now();
    return this.database.tenant(actor.organizationId, async (tenant) =>
      pageOf(await budgetsStore.page(tenant, slice, now), slice, (budget) => viewOf(budget, now)),
    );
  }

  /** Throws `not-found`. */
  show(actor: Actor, id: string): Promise<BudgetView> {
    return this.database.tenant(actor.organizationId, (tenant) => this.viewIn(tenant, id));
  }

  /** Throws `validation-failed` where there is no such subject, `limit-budgets`. */
  create(actor: Actor, input: BudgetInput): Promise<BudgetView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await budgetsStore.holdBookings(tenant);
      if ((await budgetsStore.count(tenant)) >= MAX_BUDGETS)
        throw new BerthError(
          'limit-budgets',
          `An organization has ${MAX_BUDGETS} budgets at most. Remove one.`,
        );
      return this.set(tenant, actor, this.world.ids.next(), input, 'budget.created');
    });
  }

  /** Throws `not-found`, `validation-failed` where there is no such subject. */
  change(actor: Actor, id: string, input: BudgetInput): Promise<BudgetView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await budgetsStore.holdBookings(tenant);
      await this.viewIn(tenant, id);
      return this.set(tenant, actor, id, input, 'budget.changed');
    });
  }

  /** Throws `not-found`. */
  remove(actor: Actor, id: string): Promise<void> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await budgetsStore.holdBookings(tenant);
      await this.viewIn(tenant, id);
      await budgetsStore.remove(tenant, id);
      this.record(tenant, 'budget.removed', actor, id);
    });
  }

  private async set(
    tenant: Tenant,
    actor: Actor,
    id: string,
    input: BudgetInput,
    action: 'budget.created' | 'budget.changed',
  ): Promise<BudgetView> {
    const { scope, limitUsd, limitTokens, period, alertPercent } = input;
    const now = this.world.clock.now();
    const terms: BudgetTerms = {
      id,
      scope,
      ...(await this.subjectOf(tenant, input)),
      limitNano: limitUsd === undefined ? null : nanoOf(limitUsd),
      limitTokens: limitTokens === undefined ? null : BigInt(limitTokens),
      period,
      alertPercent,
    };
    await budgetsStore.save(tenant, terms, now);
    await budgetsStore.addUp(tenant, terms, now);
    this.record(tenant, action, actor, id, terms);
    return this.viewIn(tenant, id);
  }

  /** As it stands in the ledger. Which repository is meant by a name is said by who is called so today. */
  private async subjectOf(
    tenant: Tenant,
    { scope, subject = '' }: BudgetInput,
  ): Promise<Pick<BudgetTerms, 'subject' | 'repositoryId'>> {
    const by = (id: string | null) => ({ subject: id, repositoryId: null });
    const id = idSchema.safeParse(subject).data ?? null;
    switch (scope) {
      case 'organization':
        return by(null);
      case 'member':
        if (id && (await this.identity.isMember(tenant, id))) return by(id);
        throw noSubject('is not a member of the organization');
      case 'workspace':
        if (id && (await this.workspaces.exists(tenant, id))) return by(id);
        throw noSubject('is not a workspace of the organization');
      case 'repository': {
        const known = await this.repositories.named(tenant, subject);
        if (known) return { subject: known.name, repositoryId: known.repositoryId };
        throw noSubject('must be owner/name, an https:// git URL, or a file:// URL');
      }
    }
  }

  private async viewIn(tenant: Tenant, id: string): Promise<BudgetView> {
    const now = this.world.clock.now();
    const found = await budgetsStore.find(tenant, id, now);
    if (!found) throw new BerthError('not-found', 'There is no such budget here.');
    return viewOf(found, now);
  }

  /** People are told once per budget and period that it is nearly spent, and once that it is: in the log of the workspace whose call it was, and in the audit log. */
  private async tellOf(
    tenant: Tenant,
    workspaceId: string,
    budget: BudgetFacts,
    sum: BookedSum,
    at: Date,
  ): Promise<void> {
    const state = stateOf({ ...budget, ...sum });
    if (state === 'open' || sum.spentAt !== null || (state === 'nearly-spent' && sum.alertedAt !== null))
      return;
    const { from } = periodAt(budget.period, at);
    await budgetsStore.told(tenant, budget.id, from, state === 'spent' ? { spentAt: at } : { alertedAt: at });
    await this.tell(tenant, workspaceId, budget, state, at);
  }

  private async tell(
    tenant: Tenant,
    workspaceId: string,
    budget: BudgetFacts,
    state: Exclude<BudgetState, 'open'>,
    at: Date,
  ): Promise<void> {
    const { id, scope, subject, period, alertPercent } = budget;
    const message =
      state === 'spent'
        ? spent(budget, at).message
        : `Of the ${nameOf(budget)} ${alertPercent} % or more is used.`;
    const data = { budgetId: id, scope, subject, period, state, message };
    await eventsStore.append(tenant, workspaceId, [{ type: 'budget.state', at, data }]);
    this.audit.record(tenant, {
      action: state === 'spent' ? 'budget.spent' : 'budget.nearly-spent',
      actor: systemActor('budgets'),
      subject: { type: 'budget', id, name: null },
      details: { ...detailsOf(budget), workspace: workspaceId },
    });
  }

  private record(
    tenant: Tenant,
    action: 'budget.created' | 'budget.changed' | 'budget.removed',
    actor: Actor,
    id: string,
    terms?: BudgetTerms,
  ): void {
    this.audit.record(tenant, {
      action,
      actor: auditedMember(actor),
      subject: { type: 'budget', id, name: null },
      ...(terms ? { details: detailsOf(terms) } : {}),
    });
  }
}

function useOf(calls: Charge[]) {
  const sum = (of: (charge: Charge) => bigint): bigint => calls.reduce((all, charge) => all + of(charge), 0n);
  return {
    nano: sum(({ weightNano }) => weightNano),
    tokens: sum(({ weightTokens }) => weightTokens),
    calls: calls.length,
    unknownCalls: calls.filter(({ unknown }) => unknown).length,
    estimatedNano: sum(({ costNano, weightNano }) => (costNano === null ? weightNano : 0n)),
  };
}

/** Whole numbers: the audit log has no others. */
function detailsOf({ scope, subject, limitNano, limitTokens, period, alertPercent }: BudgetTerms) {
  return {
    scope,
    subject,
    limitCents: limitNano === null ? null : Math.round(usdOf(limitNano) * 100),
    limitTokens: limitTokens === null ? null : Number(limitTokens),
    period,
    alertPercent,
  };
}

const noSubject = (message: string): BerthError => invalid([{ path: 'body.subject', message }]);
