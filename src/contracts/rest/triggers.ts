import { z } from 'zod';
import { externalSystemSchema } from '../external.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const deliveryViewSchema = z.object({
  id: z.uuid(),
  system: externalSystemSchema,
  /** As the other system names it. */
  deliveryId: z.string(),
  event: z.string(),
  action: z.string().nullable(),
  state: z.enum(['received', 'processing', 'processed', 'failed']),
  /** What became of it, by name; `ignored-…`: nothing. Null until it is known. */
  outcome: z.string().nullable(),
  workspaceId: z.uuid().nullable(),
  attempts: z.int(),
  /** Why the last attempt did not end well. */
  error: z.string().nullable(),
  receivedAt: timeSchema,
  finishedAt: timeSchema.nullable(),
});
export type DeliveryView = z.infer<typeof deliveryViewSchema>;

export const listDeliveriesRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/deliveries',
  access: 'member',
  summary:
    'What GitHub and Linear told, and what became of it, newest first. What was delivered is not shown',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(deliveryViewSchema) },
});

export const conversationViewSchema = z.object({
  id: z.uuid(),
  system: externalSystemSchema,
  /** Where it is, for people. */
  url: z.string(),
  /** `paused`: so much was asked there that it looked like a loop; nothing is done for an hour, or until somebody resumes it. `closed`: its system was disconnected or suspended, and what was asked there was ended. */
  state: z.enum(['open', 'paused', 'closed']),
  stateReason: z.string().nullable(),
  workspaceId: z.uuid().nullable(),
  createdAt: timeSchema,
  updatedAt: timeSchema,
});
export type ConversationView = z.infer<typeof conversationViewSchema>;

const conversations = '/api/v1/organizations/{org}/conversations';

export const listConversationsRoute = route({
  method: 'GET',
  path: conversations,
  access: 'admin',
  summary: 'Where people talk with agents at GitHub and Linear, newest first',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(conversationViewSchema) },
});

export const resumeConversationRoute = route({
  method: 'POST',
  path: `${conversations}/{id}/resume`,
  access: 'admin',
  summary: 'Hear again what is asked in a paused conversation; what was asked meanwhile is not done',
  params: organizationParams.extend({ id: idSchema }),
  answer: { status: 200, body: conversationViewSchema },
});

const receivedAnswer = {
  status: 200,
  /** `again`: it was here before; nothing is done, or it is at work already. */
  body: z.object({ received: z.enum(['new', 'again']) }),
} as const;

/** Its body is read as bytes and proven by its signature; what they mean is up to its system. Answered 200: Linear takes no other status for a yes. */
export const githubWebhookRoute = route({
  method: 'POST',
  path: '/webhooks/github',
  access: 'public',
  summary: 'For GitHub, which tells here what happened; signed with the webhook secret of the App',
  answer: receivedAnswer,
});

export const linearWebhookRoute = route({
  method: 'POST',
  path: '/webhooks/linear',
  access: 'public',
  summary: 'For Linear, which tells here what happened; signed with the signing secret of the application',
  answer: receivedAnswer,
});
