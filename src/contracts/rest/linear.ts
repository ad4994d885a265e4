import { z } from 'zod';
import { organizationParams, route, timeSchema } from './route.js';

/** The organization's tie to Linear. */
export const linearIntegrationSchema = z.object({
  /** Whether this Berth has an app at Linear (LINEAR_CLIENT_ID); without one nothing can be connected. */
  isConfigured: z.boolean(),
  /** What the app at Linear is to be set up with. */
  webhookUrl: z.url(),
  redirectUrl: z.url(),
  connection: z
    .object({
      linearOrganization: z.object({ id: z.string(), name: z.string(), urlKey: z.string() }),
      /** Who Berth is there. */
      appUser: z.object({ id: z.string(), name: z.string() }),
      scopes: z.array(z.string()),
      /** Of its login: `rejected` means that an admin has to connect it again. */
      status: z.enum(['active', 'refreshing', 'rejected']),
      lastError: z.string().nullable(),
      connectedAt: timeSchema,
      connectedBy: z.object({ id: z.uuid(), name: z.string() }).nullable(),
    })
    .nullable(),
});
export type LinearIntegration = z.infer<typeof linearIntegrationSchema>;

export const showLinearRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/integrations/linear',
  access: 'member',
  summary:
    'Whether the organization is connected to Linear, to which organization there, and how its login does',
  params: organizationParams,
  answer: { status: 200, body: linearIntegrationSchema },
});

/** 409 `not-connected`: this Berth has no app at Linear. The link is good for a quarter of an hour, once. */
export const connectLinearRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/integrations/linear/connect',
  access: 'admin',
  summary: 'Begin to connect Linear: a link to open as an admin of the Linear organization',
  params: organizationParams,
  answer: { status: 201, body: z.object({ url: z.url(), expiresAt: timeSchema }) },
});

export const disconnectLinearRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/integrations/linear',
  access: 'admin',
  apart: true,
  summary: 'Disconnect Linear: its login is ended there and forgotten here',
  params: organizationParams,
  answer: { status: 204, body: null },
});

/** Where Linear sends a browser back to. What was begun is finished by `state` alone; a page says how it went. */
export const linearCallbackRoute = route({
  method: 'GET',
  path: '/oauth/linear/callback',
  access: 'public',
  mayBeSignedIn: true,
  summary: 'For browsers that come back from Linear',
  query: z.object({
    state: z.string().max(500).default(''),
    code: z.string().max(4096).optional(),
    error: z.string().max(200).optional(),
  }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});
