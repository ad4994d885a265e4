import { z } from 'zod';
import { organizationParams, route } from './route.js';

const MAX = 1_000_000;

export const limitsViewSchema = z.object({
  /** Workspaces that nobody has asked to delete. */
  workspaces: z.object({ limit: z.int(), used: z.int() }),
  /** Of these, those that run or are about to. */
  running: z.object({ limit: z.int(), used: z.int() }),
  requestsPerSecond: z.object({ limit: z.int() }),
});
export type LimitsView = z.infer<typeof limitsViewSchema>;

/**
 * Beyond the first two, what would exceed them answers 429 with the code `limit-workspaces` or `limit-running`. Requests are counted per organization and per server process, in
 * seconds; every counted answer says how it stands in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds), and one beyond the limit is 429
 * `too-many-requests` with `Retry-After`. An event stream counts as one request, however long it lasts.
 */
export const showLimitsRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/limits',
  access: 'member',
  summary: 'Show the limits of the organization, and what of them is used',
  params: organizationParams,
  answer: { status: 200, body: limitsViewSchema },
});

export const updateLimitsRoute = route({
  method: 'PATCH',
  path: '/api/v1/organizations/{org}/limits',
  access: 'instance-administrator',
  summary: 'Change the limits of an organization. What is there already stays, also beyond a lower limit',
  params: organizationParams,
  body: z
    .strictObject({
      workspaces: z.int().min(0).max(MAX).optional(),
      running: z.int().min(0).max(MAX).optional(),
      requestsPerSecond: z.int().min(1).max(MAX).optional(),
    })
    .refine((body) => Object.keys(body).length > 0, { error: 'must change something' }),
  answer: { status: 200, body: limitsViewSchema },
});
