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

/** The App of this Berth, without its secrets. */
export const githubAppViewSchema = z.object({
  appId: z.string(),
  slug: z.string(),
  clientId: z.string(),
  /** Until when deliveries may still be signed with a webhook secret that was replaced; null: not any more. */
  formerWebhookSecretsUntil: timeSchema.nullable(),
});
export type GithubAppView = z.infer<typeof githubAppViewSchema>;

const MOST_MINUTES = 24 * 60;
/** Of secrets of GitHub's, and of ones that people make up for it. */
const appSecretSchema = z
  .string()
  .regex(/^[!-~]{16,255}$/, 'must be 16 to 255 characters, without white space');

/**
 * Of the App that was made here alone. A private key is tried at GitHub first. The new webhook secret counts at once, and the one before for an hour, in which it is to be changed at GitHub: there and here at once
 * nobody can. 409 `operation-not-possible`: the App is the environment's, or the key is not this App's.
 */
export const replaceGithubAppSecretsRoute = route({
  method: 'PATCH',
  path: '/api/v1/instance/github-app',
  access: 'instance-administrator',
  apart: true,
  summary: 'Replace secrets of the GitHub App that this Berth made; none is ever shown',
  body: z
    .strictObject({
      webhookSecret: appSecretSchema.optional(),
      clientSecret: appSecretSchema.optional(),
      privateKey: z
        .string()
        .max(20_000)
        .regex(/^-----BEGIN (RSA )?PRIVATE KEY-----/, 'must be the whole PEM file of the key')
        .optional(),
      /** 0 where somebody else may know the secret before: then none before is taken any more. */
      acceptFormerMinutes: z.int().min(0).max(MOST_MINUTES).default(60),
    })
    .refine(
      ({ webhookSecret, clientSecret, privateKey }) =>
        [webhookSecret, clientSecret, privateKey].some((secret) => secret !== undefined),
      { error: 'must change something' },
    ),
  answer: { status: 200, body: githubAppViewSchema },
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
