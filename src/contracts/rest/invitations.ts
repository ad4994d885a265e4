import { z } from 'zod';
import { lineSchema } from '../text.js';
import {
  emailSchema,
  organizationViewSchema,
  passwordSchema,
  roleSchema,
  userViewSchema,
} from './identity.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

export const invitationViewSchema = z.object({
  id: z.uuid(),
  email: z.string(),
  role: roleSchema,
  /** The member who made it. */
  invitedBy: z.uuid(),
  createdAt: timeSchema,
  expiresAt: timeSchema,
});
export type InvitationView = z.infer<typeof invitationViewSchema>;

const base = '/api/v1/organizations/{org}/invitations';

/**
 * A link by which somebody becomes a member. `url` holds the token and is in this answer alone: Berth sends no mail, whoever made the link hands it on. It is good for 7 days and
 * for one person. Another invitation of the same address takes the place of the first. The answer is the same whether or not the address has an account here.
 */
export const createInvitationRoute = route({
  method: 'POST',
  path: base,
  access: 'admin',
  summary: 'Invite somebody by a link that is shown once (role `owner`: owners)',
  params: organizationParams,
  body: z.strictObject({ email: emailSchema, role: roleSchema }),
  answer: { status: 201, body: z.object({ id: z.uuid(), url: z.string(), expiresAt: timeSchema }) },
});

export const listInvitationsRoute = route({
  method: 'GET',
  path: base,
  access: 'admin',
  summary: 'List the invitations that nobody has accepted or revoked, newest first; never their links',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(invitationViewSchema) },
});

export const deleteInvitationRoute = route({
  method: 'DELETE',
  path: `${base}/{id}`,
  access: 'admin',
  summary: 'Revoke an invitation; its link stops working at once',
  params: organizationParams.extend({ id: idSchema }),
  answer: { status: 204, body: null },
});

/**
 * The holder of a link becomes a member. The token stands for the invited address, so a new person's address counts as verified.
 *
 * Who has an account with that address already proves to be its owner, since whoever made the link has seen it too: by being signed in (session or API key; then `name` and
 * `password` are left out), or by `password`, which is compared with that of the account and never changes it; `name` is ignored. A wrong one is 401 `sign-in-failed` and counts
 * like a failed sign-in. So nobody takes over an account by inviting its address, and only the holder of an unused link to an address can find out, by trying it, that the
 * address has an account. Somebody who is signed in under another address is refused (403 `forbidden`), lest the wrong account joins.
 *
 * 403 `invitation-invalid`: no such token. 410 `invitation-over`: used, revoked or expired. 409 `already-member`. None of them uses the link up. Wrong tokens are limited per
 * caller (429 `too-many-requests`).
 */
export const acceptInvitationRoute = route({
  method: 'POST',
  path: '/api/v1/invitations/accept',
  access: 'public',
  mayBeSignedIn: true,
  summary: 'Accept an invitation: with a name and a password, or signed in with the invited address',
  body: z.strictObject({
    token: z.string().min(1).max(200),
    name: lineSchema(100).optional(),
    password: passwordSchema.optional(),
  }),
  answer: {
    status: 201,
    body: z.object({ user: userViewSchema, organization: organizationViewSchema, apiKey: z.string() }),
  },
});
