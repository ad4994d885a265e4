import { z } from 'zod';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

/** By what usage is added up. `day`: in UTC. */
export const usageGroups = [
  'member',
  'workspace',
  'repository',
  'credential',
  'kind',
  'model',
  'day',
] as const;
export type UsageGroup = (typeof usageGroups)[number];

const count = z.int().min(0);

/**
 * One line of a usage report. Tokens are sums of what providers said; calls of which they said less are in `unknownCalls`, and never counted as zero by being left out of it. `costUsd` is the sum of what has
 * a known price: beside it stand the calls that have none (`unpricedCalls`, the unknown among them) and those of subscriptions, which cost nothing by the token (`unbilledCalls`).
 */
export const usageLineSchema = z.object({
  /** Id of the member, workspace or credential; name of the repository (as it was called then), kind or model; the day. Null: the organization itself, or a model nobody named. */
  key: z.string().nullable(),
  /** As it was called last; null where the key says it. */
  name: z.string().nullable(),
  calls: count,
  unknownCalls: count,
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costUsd: z.number(),
  unpricedCalls: count,
  unbilledCalls: count,
});
export type UsageLine = z.infer<typeof usageLineSchema>;

const usageQuery = pageQuerySchema.extend({
  by: z.enum(usageGroups).default('member'),
  /** From then on; by default the beginning of the month (UTC). */
  from: timeSchema.optional(),
  /** Up to then, and no later; by default now. */
  to: timeSchema.optional(),
});
export type UsageQuery = z.output<typeof usageQuery>;

export const usageRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/usage',
  access: 'member',
  summary: 'Tokens and cost of model calls: my own, for admins everybody’s',
  params: organizationParams,
  query: usageQuery,
  answer: {
    status: 200,
    body: listOf(usageLineSchema).extend({
      from: timeSchema,
      to: timeSchema,
      /** The price list that calls are priced by now. */
      prices: z.object({ name: z.string(), date: z.string() }),
    }),
  },
});

export const budgetScopeSchema = z.enum(['organization', 'member', 'repository', 'workspace']);
export type BudgetScope = z.infer<typeof budgetScopeSchema>;
/** Days and months are those of UTC; `total` never begins anew. */
export const budgetPeriodSchema = z.enum(['day', 'month', 'total']);
export type BudgetPeriod = z.infer<typeof budgetPeriodSchema>;

const MAX_USD = 1_000_000_000;

const budgetBody = z
  .strictObject({
    scope: budgetScopeSchema,
    /** Id of the member or the workspace, or the repository as one writes it for a workspace. None for the organization. */
    subject: z.string().min(1).max(500).optional(),
    /** Of calls that are paid by the token; those of subscriptions do not count. 0 lets none through. */
    limitUsd: z.number().min(0).max(MAX_USD).multipleOf(0.01).optional(),
    /** Of all calls, whoever pays; input, output and cache alike. */
    limitTokens: z.int().min(0).optional(),
    period: budgetPeriodSchema,
    /** When people are told that it is nearly spent. */
    alertPercent: z.int().min(1).max(100).default(80),
  })
  .refine(({ scope, subject }) => (scope === 'organization') === (subject === undefined), {
    path: ['subject'],
    error: 'must name whom the budget is for, and nobody where it is the organization’s',
  })
  .refine(({ limitUsd, limitTokens }) => (limitUsd === undefined) !== (limitTokens === undefined), {
    path: ['limitUsd'],
    error: 'there must be one limit: limitUsd or limitTokens',
  });
export type BudgetInput = z.output<typeof budgetBody>;

export const budgetViewSchema = z.object({
  id: z.uuid(),
  scope: budgetScopeSchema,
  subject: z.string().nullable(),
  limitUsd: z.number().nullable(),
  limitTokens: z.int().nullable(),
  period: budgetPeriodSchema,
  alertPercent: z.int(),
  createdAt: timeSchema,
  /** What of it is used in the period that runs. */
  used: z.object({
    from: timeSchema.nullable(),
    /** When it begins anew; null: never. */
    until: timeSchema.nullable(),
    state: z.enum(['open', 'nearly-spent', 'spent']),
    /** Of it `estimatedUsd` and `unknownCalls` are of calls whose provider did not say what they used, or whose price is not known: they weigh what they may have been at most. */
    usd: z.number(),
    estimatedUsd: z.number(),
    tokens: z.int(),
    calls: z.int(),
    unknownCalls: z.int(),
  }),
});
export type BudgetView = z.infer<typeof budgetViewSchema>;

const budgets = '/api/v1/organizations/{org}/budgets';
const budgetParams = organizationParams.extend({ id: idSchema });

export const listBudgetsRoute = route({
  method: 'GET',
  path: budgets,
  access: 'admin',
  summary: 'List the budgets, with what of them is used',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(budgetViewSchema) },
});

export const createBudgetRoute = route({
  method: 'POST',
  path: budgets,
  access: 'admin',
  summary: 'Set a budget; what was used in its period before counts',
  params: organizationParams,
  body: budgetBody,
  answer: { status: 201, body: budgetViewSchema },
});

export const showBudgetRoute = route({
  method: 'GET',
  path: `${budgets}/{id}`,
  access: 'admin',
  summary: 'Show a budget',
  params: budgetParams,
  answer: { status: 200, body: budgetViewSchema },
});

export const putBudgetRoute = route({
  method: 'PUT',
  path: `${budgets}/{id}`,
  access: 'admin',
  summary: 'Change a budget; in force within seconds, for agents at work too',
  params: budgetParams,
  body: budgetBody,
  answer: { status: 200, body: budgetViewSchema },
});

export const deleteBudgetRoute = route({
  method: 'DELETE',
  path: `${budgets}/{id}`,
  access: 'admin',
  summary: 'Remove a budget',
  params: budgetParams,
  answer: { status: 204, body: null },
});
