import { z } from 'zod';
import { listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

/** A login at GitHub: letters, digits and single hyphens; managed accounts have an underscore. */
const loginSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, 'must be the name of an account at GitHub');
/** GitHub's own number of an installation. */
const installationIdSchema = z.string().regex(/^[1-9]\d{0,18}$/, 'must be the number of an installation');

/** The organization's ties to GitHub. */
export const githubIntegrationSchema = z.object({
  /** The App of this Berth, one for all organizations; null: there is none yet. */
  app: z.object({ slug: z.string(), mention: z.string() }).nullable(),
  /** What an App that is made by hand is to be set up with. */
  webhookUrl: z.url(),
  redirectUrl: z.url(),
  installations: z.array(
    z.object({
      id: z.string(),
      account: z.object({ id: z.string(), login: z.string(), type: z.string() }),
      /** `all` repositories of the account, or `selected` ones. */
      selection: z.string(),
      permissions: z.record(z.string(), z.string()),
      /** Those that Berth needs and an owner of the account has yet to grant. */
      missingPermissions: z.array(z.string()),
      suspendedAt: timeSchema.nullable(),
      connectedAt: timeSchema,
    }),
  ),
});
export type GithubIntegration = z.infer<typeof githubIntegrationSchema>;

export const githubRepositorySchema = z.object({
  id: z.string(),
  fullName: z.string(),
  defaultBranch: z.string().nullable(),
  private: z.boolean(),
  archived: z.boolean(),
  installationId: z.string(),
});
export type GithubRepositoryView = z.infer<typeof githubRepositorySchema>;

export const showGithubRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/integrations/github',
  access: 'member',
  summary: 'Where the organization’s GitHub App is installed, with which rights',
  params: organizationParams,
  answer: { status: 200, body: githubIntegrationSchema },
});

/** 409 `not-connected`: this Berth has no App yet, and an instance administrator makes it first. The link is good for a quarter of an hour, once. */
export const connectGithubRoute = route({
  method: 'POST',
  path: '/api/v1/organizations/{org}/integrations/github/connect',
  access: 'admin',
  summary: 'Begin to connect GitHub: a link to open as an owner of the account at GitHub',
  params: organizationParams,
  /** `account`: the organization at GitHub that is to own an App that is yet to be made; without it, who makes it. */
  query: z.strictObject({ account: loginSchema.optional() }),
  answer: { status: 201, body: z.object({ url: z.url(), expiresAt: timeSchema }) },
});

export const listGithubRepositoriesRoute = route({
  method: 'GET',
  path: '/api/v1/organizations/{org}/integrations/github/repositories',
  access: 'member',
  summary: 'List the repositories that the organization’s installations reach',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(githubRepositorySchema) },
});

export const disconnectGithubRoute = route({
  method: 'DELETE',
  path: '/api/v1/organizations/{org}/integrations/github',
  access: 'admin',
  apart: true,
  summary: 'Disconnect GitHub, or one installation: its tokens end, and the App is removed there',
  params: organizationParams,
  query: z.strictObject({ installation: installationIdSchema.optional() }),
  answer: { status: 204, body: null },
});

/** The page that hands a manifest to GitHub: that takes a form, and no link. */
export const githubAppPageRoute = route({
  method: 'GET',
  path: '/oauth/github/app',
  access: 'public',
  mayBeSignedIn: true,
  summary: 'For browsers on the way to make the App at GitHub',
  query: z.object({ state: z.string().min(1).max(500), account: loginSchema.optional() }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});

/** Where GitHub sends a browser back to. What was begun is finished by `state` alone; a page says how it went. */
export const githubCallbackRoute = route({
  method: 'GET',
  path: '/oauth/github/callback',
  access: 'public',
  mayBeSignedIn: true,
  summary: 'For browsers that come back from GitHub',
  query: z.object({
    state: z.string().max(500).default(''),
    code: z.string().max(500).optional(),
    installation_id: installationIdSchema.optional(),
    setup_action: z.string().max(50).optional(),
    error: z.string().max(200).optional(),
  }),
  answer: { status: 200, body: z.string(), contentType: 'text/html' },
});
