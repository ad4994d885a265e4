import { z } from 'zod';
import { hostPatternOf } from '../../kernel/host-name.js';
import { organizationParams, route } from './route.js';

/** More would be no list that anybody has read; and the proxy is told all of it. */
export const MAX_ALLOWED_HOSTS = 200;

/** A host's name, or `*.` before one for all names below it. Lower case and without a dot at its end from here on. */
export const allowedHostSchema = z
  .string()
  .max(260)
  .transform((text, context) => {
    const pattern = hostPatternOf(text.trim());
    if (pattern !== null) return pattern;
    context.addIssue({
      code: 'custom',
      message:
        'must be the name of a host, as in registry.example.com or *.example.com: no address, no localhost, no port (it is always 443), no path; names in other scripts as xn--…',
    });
    return z.NEVER;
  });

export const egressPolicySchema = z.object({
  /** What the agents of the organization may reach by https beside their model and their repository. */
  allowedHosts: z.array(z.string()),
  /** Whether these are Berth's own, which a newer version may amend. In each workspace its git host is then allowed too. */
  isDefault: z.boolean(),
});
export type EgressPolicyView = z.infer<typeof egressPolicySchema>;

export const showEgressPolicyRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/egress-policy',
  access: 'member',
  summary: 'Which hosts the agents of the organization may reach',
  params: organizationParams,
  answer: { status: 200, body: egressPolicySchema },
});

/** A tunnel that is open to a host which is not allowed any more ends within 10 seconds. */
export const setEgressPolicyRoute = route({
  method: 'PUT',
  path: '/api/v1/organizations/{org}/egress-policy',
  access: 'admin',
  summary:
    'Decide which hosts the agents of the organization may reach: the whole list, or null for Berth’s own',
  params: organizationParams,
  body: z.strictObject({
    allowedHosts: z
      .array(allowedHostSchema)
      .max(MAX_ALLOWED_HOSTS, `must have at most ${MAX_ALLOWED_HOSTS} entries`)
      .transform((hosts) => [...new Set(hosts)])
      .nullable(),
  }),
  answer: { status: 200, body: egressPolicySchema },
});
