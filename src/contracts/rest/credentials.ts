import { z } from 'zod';
import { agentSchema, providerSchema } from '../agents.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const scopeSchema = z.enum(['organization', 'user']);
export type Scope = z.infer<typeof scopeSchema>;

/** The kinds this version can store. */
export const kindSchema = z.enum([
  'claude_oauth',
  'claude_setup_token',
  'anthropic_wif',
  'anthropic_api_key',
  'aws_bedrock',
  'openai_oauth',
  'openai_api_key',
  'github_installation',
  'git_token',
  'linear_app',
]);
export type Kind = z.infer<typeof kindSchema>;

/** Those that people set, sign in to and remove. The others come and go with what they belong to: an integration. */
export const setKindSchema = kindSchema.exclude(['linear_app', 'github_installation']);
export type SetKind = z.infer<typeof setKindSchema>;

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
  /** When this login or secret was set; a rotation does not change it. */
  connectedAt: timeSchema,
  /** Who set it; null when that person is gone. */
  connectedBy: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  /** When the provider ends the whole login, however often it is refreshed (Claude: 30 days); null where there is no such end. */
  loginEndsAt: timeSchema.nullable(),
  /** The account at the provider, as far as it said: an address, a plan. */
  account: z.object({ email: z.string().nullable(), plan: z.string().nullable() }).nullable(),
  /** Whether it may serve where a credential before it failed; null for kinds that are never a fallback. */
  fallback: z.boolean().nullable(),
});
export type CredentialView = z.infer<typeof credentialViewSchema>;

const kindParams = organizationParams.extend({ scope: scopeSchema, kind: kindSchema });
const setKindParams = organizationParams.extend({ scope: scopeSchema, kind: setKindSchema });

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
  summary:
    'Set a credential (scope `organization`: admins). The body depends on the kind: docs/logins.md has each',
  params: setKindParams,
  // What each kind wants is checked by the credentials room, whose messages know the common mix-ups.
  body: z.record(z.string().max(64), z.unknown()),
  answer: {
    status: 200,
    /** What the provider's terms expect of whoever connects; null where there is nothing to be said. */
    body: credentialViewSchema.extend({ notice: z.string().nullable() }),
  },
});

export const deleteCredentialRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}',
  access: 'member',
  summary: 'Remove a credential (scope `organization`: admins)',
  params: setKindParams,
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
  query: z.strictObject({
    agent: agentSchema,
    userId: idSchema.optional(),
    /** As for a repository whose mapping names it. */
    provider: providerSchema.default('anthropic'),
  }),
  answer: { status: 200, body: resolutionSchema },
});

/** Why a token was renewed: it was due, it had run out when somebody needed it, the provider refused it, or a person asked. */
export const rotationReasonSchema = z.enum(['due', 'expired', 'rejected', 'forced']);
export type RotationReason = z.infer<typeof rotationReasonSchema>;

/**
 * What came of a renewal. `open`: under way. `succeeded`. `failed`: not carried out, and tried again later. `rejected`: the provider ended the login. `unknown`: nobody can tell
 * whether it was carried out (the answer was lost), so that it is never asked again. `superseded`: a new login came in between, or the workspace fell asleep.
 */
export const rotationStateSchema = z.enum([
  'open',
  'succeeded',
  'failed',
  'rejected',
  'unknown',
  'superseded',
]);
export type RotationState = z.infer<typeof rotationStateSchema>;

export const rotationViewSchema = z.object({
  id: z.uuid(),
  /** The generation that was to be replaced, and the one that came of it. */
  generation: z.int(),
  nextGeneration: z.int().nullable(),
  reason: rotationReasonSchema,
  state: rotationStateSchema,
  /** For people; never a secret. */
  message: z.string().nullable(),
  /** The workspace whose token it was, where each has one of its own (workload identity). */
  workspaceId: z.uuid().nullable(),
  startedAt: timeSchema,
  finishedAt: timeSchema.nullable(),
});
export type RotationView = z.infer<typeof rotationViewSchema>;

export const listRotationsRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}/rotations',
  access: 'member',
  summary: 'The renewals of a credential, the newest first: when, why, and what came of each',
  params: kindParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(rotationViewSchema) },
});

export const showCredentialRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}',
  access: 'member',
  summary: 'One credential that I may see, and the workspaces it served lately; never a secret',
  params: kindParams,
  answer: {
    status: 200,
    body: credentialViewSchema.extend({ usedBy: z.array(z.uuid()) }),
  },
});

export const rotateCredentialRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}/rotate',
  access: 'member',
  apart: true,
  summary: 'Renew a login now (scope `organization`: admins); 409 for kinds that cannot be renewed',
  params: kindParams,
  answer: { status: 200, body: credentialViewSchema },
});

/** How a login is connected: a link whose page shows a code to paste back, or a code to type at the provider's page while Berth waits. */
export const authorizationSchema = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('paste'),
    authorizationUrl: z.url(),
    state: z.string(),
    expiresAt: timeSchema,
    /** What the provider's terms expect of whoever connects. */
    notice: z.string(),
  }),
  z.object({
    method: z.literal('device'),
    verificationUrl: z.url(),
    userCode: z.string(),
    expiresAt: timeSchema,
    notice: z.string(),
  }),
]);
export type Authorization = z.infer<typeof authorizationSchema>;

export const beginAuthorizationRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}/authorization',
  access: 'member',
  apart: true,
  summary:
    'Begin to connect a login (scope `organization`: admins); a newer one takes the place of an open one',
  params: setKindParams,
  answer: { status: 201, body: authorizationSchema },
});

export const authorizationStatusSchema = z.object({
  state: z.enum(['pending', 'connected', 'expired', 'refused']),
  /** For people: what to do next. */
  message: z.string(),
  expiresAt: timeSchema,
});
export type AuthorizationStatus = z.infer<typeof authorizationStatusSchema>;

export const showAuthorizationRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}/authorization',
  access: 'member',
  summary: 'How far connecting a login is',
  params: setKindParams,
  answer: { status: 200, body: authorizationStatusSchema },
});

export const completeAuthorizationRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/credentials/{scope}/{kind}/authorization/complete',
  access: 'member',
  apart: true,
  summary:
    'Finish connecting with what the provider’s page showed: `code#state`, or the whole address of that page',
  params: setKindParams,
  body: z.strictObject({ code: z.string().max(8192) }),
  answer: { status: 200, body: credentialViewSchema },
});

export const credentialPolicySchema = z.strictObject({
  /** Whether a member whose own credentials fail is served by the organization's. */
  organizationFallback: z.boolean(),
  /** Whether work that no person asked for (an automation at Linear) may use the organization's. */
  automation: z.boolean(),
});
export type CredentialPolicyView = z.infer<typeof credentialPolicySchema>;

export const showCredentialPolicyRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/credential-policy',
  access: 'member',
  summary: 'What the organization decided about its credentials',
  params: organizationParams,
  answer: { status: 200, body: credentialPolicySchema },
});

export const setCredentialPolicyRoute = route({
  method: 'PUT',
  path: '/api/v1/organizations/{org}/credential-policy',
  access: 'admin',
  summary:
    'Decide whom the organization’s credentials serve: members whose own fail, and (left as it is where nothing is said) automations',
  params: organizationParams,
  body: credentialPolicySchema.partial({ automation: true }),
  answer: { status: 200, body: credentialPolicySchema },
});
