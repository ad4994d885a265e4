import { z } from 'zod';
import { agentSchema } from '../agents.js';
import { lineSchema, proseSchema } from '../text.js';
import { kindSchema, scopeSchema } from './credentials.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const workspaceStateSchema = z.enum([
  'provisioning',
  'running',
  'hibernating',
  'hibernated',
  'waking',
  'failed',
  'deleting',
  'deleted',
]);
export type WorkspaceState = z.infer<typeof workspaceStateSchema>;
export const desiredStateSchema = z.enum(['running', 'hibernated', 'deleted']);
export type DesiredState = z.infer<typeof desiredStateSchema>;

export const MAX_MESSAGE_CHARACTERS = 100_000;
const MAX_IDLE_MINUTES = 7 * 24 * 60;
const idleTimeoutSchema = z.int().min(1).max(MAX_IDLE_MINUTES);

export const workspaceViewSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  /** With the whole organization: every member may read it and send messages. */
  shared: z.boolean(),
  repository: z.string(),
  ref: z.string().nullable(),
  branch: z.string(),
  agent: agentSchema,
  model: z.string(),
  owner: z.object({ id: z.uuid(), name: z.string(), email: z.string() }),
  state: workspaceStateSchema,
  desiredState: desiredStateSchema,
  stateReason: z.string().nullable(),
  authentication: z.enum(['ok', 'reauthenticating', 'failed']),
  credential: z.object({ id: z.uuid(), scope: scopeSchema, kind: kindSchema }).nullable(),
  origin: z.object({ type: z.enum(['api', 'web', 'linear', 'github']), url: z.string().optional() }),
  pullRequestUrl: z.string().nullable(),
  idleTimeoutMinutes: z.int(),
  createdAt: timeSchema,
  lastActivityAt: timeSchema,
});
export type WorkspaceView = z.infer<typeof workspaceViewSchema>;

export const createWorkspaceSchema = z.strictObject({
  repository: z.string().min(1).max(1000),
  ref: z.string().min(1).max(250).optional(),
  agent: agentSchema.default('claude'),
  /** Passed on to the agent as it is; unknown models are the provider's to refuse. */
  model: lineSchema(200).optional(),
  message: proseSchema(MAX_MESSAGE_CHARACTERS).optional(),
  name: lineSchema(100).optional(),
  idleTimeoutMinutes: idleTimeoutSchema.default(30),
});
export type CreateWorkspace = z.output<typeof createWorkspaceSchema>;

const base = '/api/v1/organizations/{org}/workspaces';
export const workspaceParams = organizationParams.extend({ id: idSchema });

export const createWorkspaceRoute = route({
  method: 'POST',
  path: base,
  access: 'member',
  summary: 'Make a workspace on a git repository, with a first message if you like',
  params: organizationParams,
  body: createWorkspaceSchema,
  answer: { status: 202, body: workspaceViewSchema },
});

export const listWorkspacesRoute = route({
  method: 'GET',
  path: base,
  access: 'member',
  summary: 'List my workspaces and shared ones, newest first (an admin sees all). Wakes nothing',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(workspaceViewSchema) },
});

export const showWorkspaceRoute = route({
  method: 'GET',
  path: `${base}/{id}`,
  access: 'member',
  summary: 'Show a workspace. Wakes nothing',
  params: workspaceParams,
  answer: { status: 200, body: workspaceViewSchema },
});

/**
 * By its owner. `shared: true` lets every member of the organization read the workspace, send messages and wake it. A message is served by credentials of the member who wrote it,
 * else by the organization's, and never by another person's own. `shared: false` ends the others' streams and cancels what they have under way there.
 */
export const updateWorkspaceRoute = route({
  method: 'PATCH',
  path: `${base}/{id}`,
  access: 'member',
  summary: 'Change a workspace’s name, model or idle time, or share it with the organization',
  params: workspaceParams,
  body: z
    .strictObject({
      name: lineSchema(100).optional(),
      model: lineSchema(200).optional(),
      idleTimeoutMinutes: idleTimeoutSchema.optional(),
      shared: z.boolean().optional(),
    })
    .refine((body) => Object.keys(body).length > 0, { error: 'must change something' }),
  answer: { status: 202, body: workspaceViewSchema },
});

export const deleteWorkspaceRoute = route({
  method: 'DELETE',
  path: `${base}/{id}`,
  access: 'member',
  summary: 'Delete a workspace with its files, messages and events, in whatever state it is',
  params: workspaceParams,
  answer: { status: 202, body: workspaceViewSchema },
});

export const hibernateWorkspaceRoute = route({
  method: 'POST',
  path: `${base}/{id}/hibernate`,
  access: 'member',
  summary: 'Put a workspace to sleep: its processes end, its files stay. A turn under way is canceled',
  params: workspaceParams,
  answer: { status: 202, body: workspaceViewSchema },
});

export const wakeWorkspaceRoute = route({
  method: 'POST',
  path: `${base}/{id}/wake`,
  access: 'member',
  summary: 'Wake a workspace, or retry a failed one',
  params: workspaceParams,
  answer: { status: 202, body: workspaceViewSchema },
});

/** What a change that takes long waits for. The list of codes may grow. */
export const causeSchema = z.object({
  code: z.enum([
    'no-worker',
    'runner-silent',
    'clone-under-way',
    'tree-under-way',
    'runtime-refuses',
    'processes-to-end',
    'files-to-go',
  ]),
  message: z.string(),
});
export type Cause = z.infer<typeof causeSchema>;

export const operationViewSchema = z.object({
  id: z.uuid(),
  kind: z.enum(['provision', 'hibernate', 'wake', 'delete']),
  state: z.enum(['running', 'succeeded', 'failed', 'superseded']),
  reason: z.string(),
  initiator: z.object({ type: z.enum(['member', 'system']), id: z.string(), name: z.string() }),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Of one that runs for more than half a minute. */
  waitsFor: causeSchema.nullable(),
  createdAt: timeSchema,
  finishedAt: timeSchema.nullable(),
});
export type OperationView = z.infer<typeof operationViewSchema>;

export const listOperationsRoute = route({
  method: 'GET',
  path: `${base}/{id}/operations`,
  access: 'member',
  summary: 'What was done to a workspace, by whom and why, newest first',
  params: workspaceParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(operationViewSchema) },
});

export const receiptSchema = z.object({
  credentialId: z.uuid(),
  scope: scopeSchema,
  kind: kindSchema,
  generation: z.int(),
  reason: z.string(),
  at: timeSchema,
});
export const turnStateSchema = z.enum([
  'queued',
  'running',
  'reauthenticating',
  'completed',
  'failed',
  'canceled',
]);
export type TurnState = z.infer<typeof turnStateSchema>;

export const messageViewSchema = z.object({
  id: z.uuid(),
  seq: z.int(),
  author: z.object({ type: z.enum(['user', 'agent']), id: z.uuid().optional(), name: z.string().optional() }),
  text: z.string(),
  state: turnStateSchema,
  attempts: z.int(),
  receipts: z.array(receiptSchema),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  createdAt: timeSchema,
});
export type MessageView = z.infer<typeof messageViewSchema>;

export const sendMessageRoute = route({
  method: 'POST',
  path: `${base}/{id}/messages`,
  access: 'member',
  summary: 'Send a message: a turn for the agent. Wakes a sleeping workspace',
  params: workspaceParams,
  body: z.strictObject({ text: proseSchema(MAX_MESSAGE_CHARACTERS) }),
  answer: { status: 202, body: messageViewSchema },
});

export const listMessagesRoute = route({
  method: 'GET',
  path: `${base}/{id}/messages`,
  access: 'member',
  summary: 'List the messages, ascending by `seq`. Wakes nothing',
  params: workspaceParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(messageViewSchema) },
});

export const cancelMessageRoute = route({
  method: 'POST',
  path: `${base}/{id}/messages/{messageId}/cancel`,
  access: 'member',
  summary: 'Cancel a queued or running message: one’s own, or in one’s own workspace',
  params: workspaceParams.extend({ messageId: idSchema }),
  answer: { status: 202, body: messageViewSchema },
});

export const eventViewSchema = z.object({
  seq: z.int(),
  at: timeSchema,
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type EventView = z.infer<typeof eventViewSchema>;

export const MAX_EVENTS = 1000;

export const eventsRoute = route({
  method: 'GET',
  path: `${base}/{id}/events`,
  access: 'member',
  summary:
    'Events, in order and without gaps: a stream (text/event-stream, resumes after `Last-Event-ID`), or a list with `Accept: application/json`',
  params: workspaceParams,
  query: z.strictObject({
    after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    limit: z.coerce.number().int().min(1).max(MAX_EVENTS).default(MAX_EVENTS),
  }),
  answer: { status: 200, body: listOf(eventViewSchema), contentType: 'text/event-stream' },
});
