import { Injectable } from '@nestjs/common';
import type { Kind, ProxyReportItem, Scope, UsageLine, UsageQuery } from '../contracts/index.js';
import { Database, type Tenant } from '../database/index.js';
import { invalid, type Page } from '../http/index.js';
import { administers, type Actor } from '../identity/index.js';
import { World } from '../kernel/index.js';
import { usdOf } from './budget.js';
import { Budgets } from './budgets.service.js';
import { chargeFor, type Charge } from './charge.js';
import { periodAt } from './period.js';
import { PriceList } from './prices.js';
import { usageStore } from './usage.store.js';
import type { UsedBy } from './used-by.js';

/** What a proxy reported of one call, and by which lease. */
export interface ReportedUse {
  item: Extract<ProxyReportItem, { type: 'usage' }>;
  scope: Scope;
  kind: Kind;
}

export interface UsageReport extends Page<UsageLine> {
  from: string;
  to: string;
  prices: { name: string; date: string };
}

/** What model calls used: kept once per report, and added up. */
@Injectable()
export class UsageLedger {
  constructor(
    private readonly database: Database,
    private readonly budgets: Budgets,
    private readonly prices: PriceList,
    private readonly world: World,
  ) {}

  /** Inside the transaction that stores the reports. What was booked already is not booked again. */
  async book(tenant: Tenant, usedBy: UsedBy, uses: ReportedUse[]): Promise<void> {
    if (uses.length === 0) return;
    await this.budgets.holdStill(tenant);
    const at = this.world.clock.now();
    const charged = uses.map((use) => ({ ...use, charge: this.chargeOf(use) }));
    const added = await usageStore.add(
      tenant,
      charged.map(({ item, scope, kind, charge }) => ({
        id: item.id,
        at,
        ...placeOf(usedBy),
        credentialId: item.credentialId,
        generation: item.generation,
        scope,
        kind,
        model: item.model,
        ...columnsOf(charge),
        priceList: charge.family === null ? null : this.prices.label,
      })),
    );
    const fresh = charged.filter(({ item }) => added.delete(item.id));
    for (const { kind, charge } of fresh) count(tenant, kind, charge);
    await this.budgets.book(
      tenant,
      usedBy,
      fresh.map(({ charge }) => charge),
      at,
    );
  }

  /** A member's own, for admins everybody's. */
  async report(actor: Actor, query: UsageQuery): Promise<UsageReport> {
    const now = this.world.clock.now();
    const from = query.from === undefined ? periodAt('month', now).from : new Date(query.from);
    // With what was booked at this very moment.
    const to = query.to === undefined ? new Date(now.getTime() + 1) : new Date(query.to);
    const skip = placeIn(query.cursor);
    const memberId = administers(actor) ? null : actor.userId;
    const lines = await this.database.tenant(actor.organizationId, (tenant) =>
      usageStore.sums(tenant, query.by, { from, to, memberId }, { skip, take: query.limit + 1 }),
    );
    const items = lines.slice(0, query.limit).map(({ costNano, ...line }) => ({
      ...line,
      costUsd: usdOf(costNano),
    }));
    const nextCursor = lines.length > query.limit ? String(skip + query.limit) : null;
    const { name, date } = this.prices;
    return { items, nextCursor, from: from.toISOString(), to: to.toISOString(), prices: { name, date } };
  }

  private chargeOf({ item, kind }: ReportedUse): Charge {
    const { model, cacheHourTokens = null, atMost = null, ...tokens } = item;
    return chargeFor(kind, model, { ...tokens, cacheHourTokens }, atMost, this.prices);
  }
}

function placeOf({ member, workspaceId, workspaceName, repository, turnId }: UsedBy) {
  return {
    memberId: member?.id ?? null,
    memberName: member?.name ?? null,
    workspaceId,
    workspaceName,
    repository: repository.name,
    repositoryId: repository.repositoryId,
    turnId,
  };
}

function columnsOf({ unknown: _unknown, family: _family, ...columns }: Charge) {
  return columns;
}

function count({ metrics }: Tenant, kind: Kind, charge: Charge): void {
  const labels = { kind, model: charge.family ?? 'other' };
  metrics.count('berth_model_calls_total', { ...labels, usage: charge.unknown ? 'unknown' : 'known' });
  const tokens = {
    input: charge.inputTokens,
    output: charge.outputTokens,
    cache_read: charge.cacheReadTokens,
    cache_write: charge.cacheWriteTokens,
  };
  for (const [type, number] of Object.entries(tokens))
    if (number !== null) metrics.count('berth_tokens_total', { ...labels, type }, number);
  if (charge.costNano !== null) metrics.count('berth_cost_usd_total', labels, usdOf(charge.costNano));
}

/** Lines are few and stand in a fixed order; the cursor is how many were shown. */
function placeIn(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (!/^[1-9]\d{0,8}$/.test(cursor))
    throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  return Number(cursor);
}
