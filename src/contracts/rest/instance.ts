import { z } from 'zod';
import { route } from './route.js';

export const healthRoute = route({
  method: 'GET',
  path: '/healthz',
  access: 'public',
  summary: 'Alive: the process answers',
  answer: { status: 200, body: z.object({ status: z.literal('ok') }) },
});

export const readyRoute = route({
  method: 'GET',
  path: '/readyz',
  access: 'public',
  summary: 'Can serve: database and queue answer (503 with the reason when not)',
  answer: { status: 200, body: z.object({ status: z.literal('ready') }) },
});

export const metricsRoute = route({
  method: 'GET',
  path: '/metrics',
  access: 'public',
  summary: 'The metrics of this process, as Prometheus reads them',
  answer: { status: 200, body: z.string(), contentType: 'text/plain' },
});

export const openApiRoute = route({
  method: 'GET',
  path: '/openapi.json',
  access: 'public',
  summary: 'This document',
  answer: { status: 200, body: z.record(z.string(), z.unknown()) },
});

export const docsRoute = route({
  method: 'GET',
  path: '/docs',
  access: 'public',
  summary: 'This document, to read and try',
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

export const setupPageRoute = route({
  method: 'GET',
  path: '/setup',
  access: 'public',
  summary: 'How to set up this Berth (the link that is printed at the first start)',
  query: z.object({ token: z.string().max(500).optional() }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

export const invitationPageRoute = route({
  method: 'GET',
  path: '/invitations/accept',
  access: 'public',
  summary: 'How to accept an invitation (the link that was made for you)',
  query: z.object({ token: z.string().max(200).optional() }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

export const homeRoute = route({
  method: 'GET',
  path: '/',
  access: 'public',
  summary: 'Where to go from here',
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

export const docsScriptRoute = route({
  method: 'GET',
  path: '/docs/start.js',
  access: 'public',
  summary: 'The script of /docs',
  answer: { status: 200, body: z.string(), contentType: 'text/javascript' },
});

const foundSchema = <T extends z.ZodType>(item: T) => z.object({ total: z.int(), items: z.array(item) });
export const sweepViewSchema = z.object({
  /** The host whose files and processes were looked at; null: this process has none, and knows the rows alone. */
  hostId: z.uuid().nullable(),
  /** Workspaces that a worker is to look at: that of the host, any (null) where no host looks after them. */
  due: foundSchema(
    z.object({ organizationId: z.uuid(), workspaceId: z.uuid(), hostId: z.uuid().nullable() }),
  ),
  /** What belongs to no workspace, and would be removed. */
  orphans: foundSchema(z.object({ workspaceId: z.uuid(), has: z.enum(['files', 'processes']) })).nullable(),
});
export type SweepView = z.infer<typeof sweepViewSchema>;

export const sweepRoute = route({
  method: 'GET',
  path: '/api/v1/instance/sweep',
  access: 'instance-administrator',
  summary: 'What a sweep of this process would do at this moment; does nothing',
  answer: { status: 200, body: sweepViewSchema },
});
