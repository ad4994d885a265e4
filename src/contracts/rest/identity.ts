import { z } from 'zod';
import { HALF_MESSAGE, isWhole, lineSchema } from '../text.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const roleSchema = z.enum(['owner', 'admin', 'member']);
export type Role = z.infer<typeof roleSchema>;

export const slugSchema = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
    'must be 1 to 40 lower-case letters, digits or dashes, no dash at either end',
  )
  .refine((slug) => !z.uuid().safeParse(slug).success, { error: 'must not look like an id' });

export const emailSchema = z.string().trim().max(254).toLowerCase().pipe(z.email('must be an email address'));

/** NIST SP 800-63B: length is what counts; the upper bound keeps hashing cheap. Halves of characters are all hashed as the same one, so that other passwords would open the account too. */
export const passwordSchema = z
  .string()
  .min(12, 'must have at least 12 characters')
  .max(200, 'must have at most 200 characters')
  .refine(isWhole, { error: HALF_MESSAGE });

const organizationInput = z.strictObject({ name: lineSchema(100), slug: slugSchema });
export const organizationViewSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  slug: z.string(),
  createdAt: timeSchema,
});
export const userViewSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  email: z.string(),
  instanceAdministrator: z.boolean(),
});
export type OrganizationView = z.infer<typeof organizationViewSchema>;
export type UserView = z.infer<typeof userViewSchema>;

export const setupRoute = route({
  method: 'POST',
  path: '/api/v1/setup',
  access: 'public',
  summary: 'First run: makes the first organization and its owner, who administers this instance',
  body: z.strictObject({
    token: z.string().min(1).max(500),
    organization: organizationInput,
    user: z.strictObject({ name: lineSchema(100), email: emailSchema, password: passwordSchema }),
  }),
  answer: {
    status: 201,
    body: z.object({ organization: organizationViewSchema, user: userViewSchema, apiKey: z.string() }),
  },
});

export const signInRoute = route({
  method: 'POST',
  path: '/api/v1/session',
  access: 'public',
  summary: 'Sign in with email and password; sets the session cookie',
  body: z.strictObject({ email: emailSchema, password: z.string().min(1).max(200) }),
  answer: { status: 200, body: z.object({ user: userViewSchema, expiresAt: timeSchema }) },
});

export const signOutRoute = route({
  method: 'DELETE',
  path: '/api/v1/session',
  access: 'person',
  summary: 'Sign out: ends this session',
  answer: { status: 204, body: null },
});

export const meRoute = route({
  method: 'GET',
  path: '/api/v1/me',
  access: 'person',
  summary: 'Who am I, and in which organizations',
  answer: {
    status: 200,
    body: z.object({
      user: userViewSchema,
      organizations: z.array(
        z.object({ id: z.uuid(), slug: z.string(), name: z.string(), role: roleSchema }),
      ),
    }),
  },
});

export const createOrganizationRoute = route({
  method: 'POST',
  path: '/api/v1/organizations',
  access: 'instance-administrator',
  summary: 'Make a further organization; the caller becomes its owner',
  body: organizationInput,
  answer: { status: 201, body: z.object({ organization: organizationViewSchema, apiKey: z.string() }) },
});

export const showOrganizationRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}',
  access: 'member',
  summary: 'Show the organization',
  params: organizationParams,
  answer: { status: 200, body: organizationViewSchema },
});

export const memberViewSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  email: z.string(),
  role: roleSchema,
  createdAt: timeSchema,
});
export type MemberView = z.infer<typeof memberViewSchema>;

export const listMembersRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/members',
  access: 'member',
  summary: 'List the members',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(memberViewSchema) },
});

const memberParams = organizationParams.extend({ userId: idSchema });

/** Owners change everybody; admins make members admins. Nobody raises themselves, and the last owner stays (409 `last-owner`). It counts from the next request on. */
export const updateMemberRoute = route({
  method: 'PATCH',
  path: '/api/v1/organizations/{org}/members/{userId}',
  access: 'member',
  summary: 'Change a member’s role (owners everybody’s, admins a member’s; oneself only down)',
  params: memberParams,
  body: z.strictObject({ role: roleSchema }),
  answer: { status: 200, body: memberViewSchema },
});

/**
 * Owners remove everybody, admins members, and everybody may leave; but the last owner stays (409 `last-owner`). At once the person's API keys of this organization and their own
 * credentials in it are deleted, their sessions and streams lose it, their open messages are canceled, and invitations they made that are still open are revoked. Their
 * workspaces stop and stay the organization's: admins see and delete them. The account itself stays; it may be in other organizations.
 */
export const removeMemberRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/members/{userId}',
  access: 'member',
  summary: 'Remove a member, or leave; it counts at once, also for what is under way',
  params: memberParams,
  answer: { status: 204, body: null },
});

export const apiKeyViewSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  prefix: z.string(),
  userId: z.uuid(),
  expiresAt: timeSchema.nullable(),
  lastUsedAt: timeSchema.nullable(),
  createdAt: timeSchema,
});
export type ApiKeyView = z.infer<typeof apiKeyViewSchema>;

export const listApiKeysRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/api-keys',
  access: 'member',
  summary: 'List my API keys (an admin sees everybody’s)',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(apiKeyViewSchema) },
});

export const createApiKeyRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/api-keys',
  access: 'member',
  summary: 'Make an API key that acts as me; its text is shown once',
  params: organizationParams,
  body: z.strictObject({ name: lineSchema(100), expiresAt: timeSchema.optional() }),
  answer: { status: 201, body: apiKeyViewSchema.extend({ apiKey: z.string() }) },
});

export const deleteApiKeyRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/api-keys/{id}',
  access: 'member',
  summary: 'Delete an API key; it stops working at once',
  params: organizationParams.extend({ id: idSchema }),
  answer: { status: 204, body: null },
});
