import { z } from 'zod';
import { BerthError, Secret } from '../kernel/index.js';
import { upstreamUrlIfAny } from './values.js';

/** Of the App as which Berth is known to GitHub. Without them one is made with the first connection. */
export const githubVariables = {
  BERTH_GITHUB_API_URL: upstreamUrlIfAny,
  GITHUB_APP_ID: z
    .string()
    .regex(/^[1-9]\d{0,15}$/, 'must be the number of the App')
    .optional(),
  GITHUB_APP_SLUG: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,99}$/i, 'must be the name in the address of the App, which people mention')
    .optional(),
  GITHUB_APP_CLIENT_ID: z.string().min(1).optional(),
  GITHUB_APP_CLIENT_SECRET: z.string().min(1).optional(),
  GITHUB_APP_PRIVATE_KEY: z
    .string()
    .regex(
      /-----BEGIN (RSA )?PRIVATE KEY-----/,
      'must be the private key of the App, whole, as in its PEM file',
    )
    .optional(),
  GITHUB_WEBHOOK_SECRET: z.string().min(1).optional(),
};

type Environment = z.infer<z.ZodObject<typeof githubVariables>>;

const APP = [
  'GITHUB_APP_ID',
  'GITHUB_APP_SLUG',
  'GITHUB_APP_CLIENT_ID',
  'GITHUB_APP_CLIENT_SECRET',
  'GITHUB_APP_PRIVATE_KEY',
  'GITHUB_WEBHOOK_SECRET',
] as const;

/** Where GitHub's API is, and the App of the environment; null: there is none. Throws `config-invalid` for a part of one. */
export function githubOf(env: Environment, webUrl: string) {
  return { webUrl, apiUrl: env.BERTH_GITHUB_API_URL ?? apiUrlOf(webUrl), app: appOf(env), paced: true };
}

function appOf(env: Environment) {
  const missing = APP.filter((name) => env[name] === undefined);
  if (missing.length === APP.length) return null;
  if (missing.length > 0)
    throw new BerthError(
      'config-invalid',
      `${missing.join(', ')}: is missing. An App of GitHub has all of these: ${APP.join(', ')}.`,
    );
  const text = (name: (typeof APP)[number]): string => env[name] ?? '';
  return {
    appId: text('GITHUB_APP_ID'),
    slug: text('GITHUB_APP_SLUG'),
    clientId: text('GITHUB_APP_CLIENT_ID'),
    clientSecret: new Secret(text('GITHUB_APP_CLIENT_SECRET')),
    privateKey: new Secret(text('GITHUB_APP_PRIVATE_KEY')),
    webhookSecret: new Secret(text('GITHUB_WEBHOOK_SECRET')),
  };
}

/** An Enterprise Server has its API below its own name; with data residency it is another name, which has to be given. */
function apiUrlOf(webUrl: string): string {
  return webUrl === 'https://github.com' ? 'https://api.github.com' : `${webUrl}/api/v3`;
}
