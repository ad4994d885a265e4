import { z } from 'zod';
import { organizationParams, route } from './route.js';

/** Where people of an organization ask for work beside Berth itself, at a glance; each system tells the rest under its own name. */
export const integrationsSchema = z.object({
  github: z.object({
    connected: z.boolean(),
    installations: z.array(
      z.object({
        /** GitHub's own number. */
        id: z.int(),
        /** The account that it is installed on, by its name. */
        account: z.string(),
        suspended: z.boolean(),
      }),
    ),
  }),
  linear: z.object({
    /** False too when Linear ended the login, and an admin has to connect it again. */
    connected: z.boolean(),
    organization: z.object({ id: z.string(), name: z.string(), urlKey: z.string() }).nullable(),
    scopes: z.array(z.string()),
  }),
});
export type Integrations = z.infer<typeof integrationsSchema>;

export const showIntegrationsRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/integrations',
  access: 'member',
  summary: 'To which other systems the organization is connected',
  params: organizationParams,
  answer: { status: 200, body: integrationsSchema },
});
