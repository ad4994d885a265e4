import { z } from 'zod';
import { externalSystemSchema } from '../external.js';
import { route, timeSchema } from './route.js';

/** By what it was proven that an account is a member's: they came from there themselves, installed the App, have a verified address of a verified domain, or one that both sides vouch for. */
export const accountProofSchema = z.enum(['authorization', 'installation', 'verified-domain', 'email']);

export const externalAccountSchema = z.object({
  system: externalSystemSchema,
  /** The id that never changes hands, as text. */
  externalId: z.string(),
  /** As it was last seen. */
  handle: z.string().nullable(),
  proof: accountProofSchema,
  organizationId: z.uuid(),
});
export type ExternalAccountView = z.infer<typeof externalAccountSchema>;

const accounts = '/api/v1/me/external-accounts';
const organizationSchema = z.string().min(1).max(100);

export const listExternalAccountsRoute = route({
  method: 'GET',
  path: accounts,
  access: 'person',
  summary: 'My accounts at GitHub and Linear, in all my organizations (an API key: in its own)',
  answer: { status: 200, body: z.object({ items: z.array(externalAccountSchema) }) },
});

/** Work that is asked for by such an account is not mine any more. It is not connected again by my address; I connect it again myself. */
export const deleteExternalAccountsRoute = route({
  method: 'DELETE',
  path: accounts,
  access: 'person',
  apart: true,
  summary: 'Disconnect my accounts: of one system, in one organization, or all',
  query: z.strictObject({
    system: externalSystemSchema.optional(),
    /** Slug or id. */
    organization: organizationSchema.optional(),
  }),
  answer: { status: 204, body: null },
});

/** The link leads to the other system and back. Another account of mine there is replaced by the one that comes back. */
export const connectExternalAccountRoute = route({
  method: 'POST',
  path: `${accounts}/{system}/connect`,
  access: 'person',
  apart: true,
  summary: 'Begin to connect my account at GitHub or Linear: a link to open',
  params: z.strictObject({ system: externalSystemSchema }),
  body: z
    .strictObject({
      /** Slug or id; needed of who is in several. */
      organization: organizationSchema.optional(),
    })
    .optional(),
  answer: { status: 201, body: z.object({ url: z.url(), expiresAt: timeSchema }) },
});

/** The page behind a personal link. Whoever opens it is shown for whom it is, signs in, and proves at the other system to be them. */
export const connectPageRoute = route({
  method: 'GET',
  path: '/connect/{system}/{token}',
  access: 'public',
  mayBeSignedIn: true,
  summary: 'For people who were sent a link to connect their account',
  params: z.strictObject({ system: externalSystemSchema, token: z.string().min(1).max(200) }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

export const connectScriptRoute = route({
  method: 'GET',
  path: '/connect/sign-in.js',
  access: 'public',
  summary: 'The script of that page',
  answer: { status: 200, body: z.string(), contentType: 'text/javascript' },
});
