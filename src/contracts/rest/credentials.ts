import { z } from 'zod';
import { agentSchema } from '../agents.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const scopeSchema = z.enum(['organization', 'user']);
export type Scope = z.infer<typeof scopeSchema>;

/** The kinds this version can store. */
export const kindSchema = z.enum([
  'anthropic_api_key',
  'claude_setup_token',
  'openai_api_key',
  'aws_bedrock',
]);
export type Kind = z.infer<typeof kindSchema>;

export const credentialViewSchema = z.object({
  id: z.uuid(),
  scope: scopeSchema,
  kind: kindSchema,
  status: z.enum(['active', 'refreshing', 'rejected']),
  hint: z.string(),
  generation: z.int(),
  expiresAt: timeSchema.nullable(),
  limitedUntil: timeSchema.nullable(),
  lastRotatedAt: timeSchema.nullable(),
  lastError: z.string().nullable(),
});
export type CredentialView = z.infer<typeof credentialViewSchema>;

const kindParams = organizationParams.extend({ scope: scopeSchema, kind: kindSchema });

export const listCredentialsRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credentials',
  access: 'member',
  summary: 'List the credentials I may see: my own and the organization’s; never a secret',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(credentialViewSchema) },
});

export const putCredentialRoute = route({
  method: 'PUT',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}',
  access: 'member',
  summary: 'Set a credential (scope `organization`: admins). The body depends on the kind',
  params: kindParams,
  // What each kind wants is checked by the credentials room, whose messages know the common mix-ups.
  body: z.record(z.string().max(64), z.unknown()),
  answer: { status: 200, body: credentialViewSchema },
});

export const deleteCredentialRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}',
  access: 'member',
  summary: 'Remove a credential (scope `organization`: admins)',
  params: kindParams,
  answer: { status: 204, body: null },
});

export const candidateSchema = z.object({
  credentialId: z.uuid(),
  scope: scopeSchema,
  kind: kindSchema,
  usable: z.boolean(),
  reason: z.string(),
});
export type Candidate = z.infer<typeof candidateSchema>;

export const resolutionSchema = z.object({
  agent: agentSchema,
  chosen: candidateSchema.nullable(),
  candidates: z.array(candidateSchema),
});
export type Resolution = z.infer<typeof resolutionSchema>;

export const resolutionRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credentials/resolution',
  access: 'member',
  summary:
    'Explain which credential would serve an agent, in which order, and why (another member’s: admins)',
  params: organizationParams,
  query: z.strictObject({ agent: agentSchema, userId: idSchema.optional() }),
  answer: { status: 200, body: resolutionSchema },
});
