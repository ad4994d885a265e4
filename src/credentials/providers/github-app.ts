import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { Octokit, RequestError } from 'octokit';
import { BerthError, Secret, type Clock } from '../../kernel/index.js';

/** The App as which Berth is known to GitHub. */
export interface GithubAppKeys {
  appId: string;
  /** The handle people mention. */
  slug: string;
  clientId: string;
  clientSecret: Secret;
  /** Null for an App whose deliveries are not signed; none are taken then. */
  webhookSecret: Secret | null;
  privateKey: Secret;
}

/** Where GitHub is. `app` is the one of the environment; null: the one that was made here, if there is one. */
export interface GithubEndpoints {
  /** Of pages and git. */
  webUrl: string;
  apiUrl: string;
  app: GithubAppKeys | null;
  /** Keep the distances between calls that GitHub asks for; off in tests alone. */
  paced: boolean;
}

/** A token of an installation, for some of its repositories and with some of its rights. */
export interface InstallationGrant {
  token: Secret;
  expiresAt: Date;
}

/** What a token is narrowed to. */
export interface Narrowing {
  /** Ids at GitHub; absent: all of the installation's. */
  repositoryIds?: number[];
  permissions?: Record<string, string>;
}

/** With which bearer a call is made: another than the one that was refused, where one was. */
export type Bearer = (refused: Secret | null) => Promise<Secret>;

/** It has its own default; what is assumed today stays so (facts: octokit sends none). */
const API_VERSION = '2022-11-28';
/** GitHub takes ten minutes; its clock may be behind ours. */
const [JWT_SECONDS, BACK_SECONDS] = [540, 30];
const ANSWER_MS = 20_000;
/** Twice, after 1 and 4 seconds: what is worth more waiting is a job's, which comes again. */
const RETRIES = 2;
const IDEMPOTENT = new Set(['GET', 'HEAD']);
const nothing = (): void => undefined;

/** The JWT by which the App itself speaks (RS256, within ten minutes). */
export function appJwt(
  { appId, privateKey }: Pick<GithubAppKeys, 'appId' | 'privateKey'>,
  clock: Clock,
): Promise<string> {
  const now = Math.floor(clock.now().getTime() / 1000);
  // In an environment the line breaks of a key are often written as text.
  const key = createPrivateKey(privateKey.reveal().replaceAll('\\n', '\n'));
  return new SignJWT({ iss: appId, iat: now - BACK_SECONDS, exp: now + JWT_SECONDS })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(key);
}

/**
 * GitHub's own client, as Berth uses it. `throttleId`: calls with the same one keep their distances; others do not wait for them. It never sleeps out a rate limit, and asks again only where
 * asking twice does no harm: a comment whose answer was lost would else be there twice.
 */
export function octokitWith({ apiUrl, paced }: GithubEndpoints, throttleId: string, bearer: Bearer | null) {
  const octokit = new Octokit({
    baseUrl: apiUrl,
    userAgent: 'berth',
    ...(bearer ? { authStrategy: () => Object.assign(nothing, { hook: hookOf(bearer) }) } : {}),
    // Passing one replaces both handlers.
    throttle: {
      enabled: paced,
      id: throttleId,
      onRateLimit: () => false,
      onSecondaryRateLimit: () => false,
    },
    retry: { enabled: paced, retries: RETRIES },
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    request: {
      fetch: (url: string, init: RequestInit) => fetch(url, { ...init, signal: boundOf(init.signal) }),
    },
  });
  octokit.hook.before('request', (options) => {
    options.headers['x-github-api-version'] = API_VERSION;
    if (!IDEMPOTENT.has(options.method)) Object.assign(options.request, { retries: 0 });
  });
  return octokit;
}

/** The caller's own bound, where it has one. */
function boundOf(signal: AbortSignal | null | undefined): AbortSignal {
  const longest = AbortSignal.timeout(ANSWER_MS);
  return signal ? AbortSignal.any([signal, longest]) : longest;
}

type Wrapped = (
  request: Octokit['request'],
  route: string,
  parameters?: Record<string, unknown>,
) => Promise<unknown>;

/** Puts the bearer on each call. One that is refused is got anew, once: what was refused was not carried out. */
function hookOf(bearer: Bearer): Wrapped {
  return async (request, route, parameters) => {
    let used: Secret | null = null;
    const send = async (): Promise<unknown> => {
      const token = await bearer(used);
      used = token;
      const endpoint = request.endpoint.merge(route, parameters);
      endpoint.headers.authorization = `bearer ${token.reveal()}`;
      return (request as unknown as (endpoint: object) => Promise<unknown>)(endpoint).catch(
        (error: unknown) => {
          // GitHub's words come first in the message, and messages go into logs and rows.
          if (error instanceof Error) error.message = token.hideIn(error.message);
          throw error;
        },
      );
    };
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 401) throw error;
      return send();
    }
  };
}

/** Mints a token of an installation. Throws RequestError as GitHub answers. */
export async function mintToken(
  octokit: Octokit,
  installationId: string,
  { repositoryIds, permissions }: Narrowing,
): Promise<InstallationGrant> {
  const { data } = await octokit.request('POST /app/installations/{installation_id}/access_tokens', {
    installation_id: Number(installationId),
    ...(repositoryIds ? { repository_ids: repositoryIds } : {}),
    ...(permissions ? { permissions } : {}),
  });
  return { token: new Secret(data.token), expiresAt: new Date(data.expires_at) };
}

/** What a status of GitHub means for an installation, in words; null when it is of the moment. */
export function endOf(error: unknown): 'gone' | 'suspended' | null {
  if (!(error instanceof RequestError)) return null;
  if (error.status === 404) return 'gone';
  return error.status === 403 && /suspended/i.test(error.message) ? 'suspended' : null;
}

/** Short, and without what was sent. */
export function saidBy(error: unknown): string {
  if (error instanceof BerthError) return error.message;
  if (!(error instanceof RequestError)) return 'GitHub could not be reached';
  return `GitHub answered with status ${error.status}`;
}
