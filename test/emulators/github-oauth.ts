import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../src/kernel/index.js';
import { GithubRefusal, notFound, type GithubAnswer, type GithubCall } from './github-call.js';
import type { GithubConversions } from './github-apps.js';
import type { GithubTokens, UserGrant } from './github-tokens.js';
import type {
  GithubAccount,
  GithubApp,
  GithubInstallation,
  GithubUser,
  GithubWorld,
} from './github-world.js';

const CODE_MS = 600_000;
/** Those GitHub's form takes; `email_addresses`, the name in the REST schema, is refused (facts/github.md 1). */
const ALWAYS_DELIVERED = ['installation', 'installation_repositories', 'github_app_authorization'];

interface Code {
  app: GithubApp;
  user: GithubUser;
  redirectUri: string | null;
  challenge: string | null;
  expiresAt: number;
}

/** Who sits at the browser: signed in as `user`, who agrees to everything, and installs Apps on `target`. */
export interface GithubBrowser {
  user: GithubUser | null;
  target: GithubAccount | null;
  /** Which repositories are chosen at an installation; null: all. */
  repositoryIds: number[] | null;
}

/** GitHub's pages, for a person who agrees at once, and the token endpoint. */
export class GithubPages {
  readonly #codes = new Map<string, Code>();

  constructor(
    private readonly world: GithubWorld,
    private readonly tokens: GithubTokens,
    private readonly conversions: GithubConversions,
    private readonly browser: GithubBrowser,
    private readonly clock: Clock,
    private readonly make: {
      app(manifest: Record<string, unknown>, owner: GithubAccount): GithubApp;
      installation(app: GithubApp, target: GithubAccount, repositoryIds: number[] | null): GithubInstallation;
    },
  ) {}

  /** The page at a path outside of the API; null when there is none. */
  async answer(call: GithubCall): Promise<GithubAnswer | null> {
    const { method, path } = call.entry;
    if (method === 'GET' && path === '/login/oauth/authorize') return this.#authorize(call);
    if (method === 'POST' && path === '/login/oauth/access_token') return this.#exchange(call);
    const owner = /^(?:\/organizations\/([^/]+))?\/settings\/apps\/new$/.exec(path);
    if (method === 'POST' && owner) return this.#create(call, owner[1]);
    const slug = /^\/(?:github-)?apps\/([^/]+)\/installations\/(?:new|select_target)$/.exec(path)?.[1];
    if (method === 'GET' && slug !== undefined) return this.#install(call, slug);
    return Promise.resolve(null);
  }

  /** A code as the authorization page gives one out. */
  codeFor(
    user: GithubUser,
    app: GithubApp,
    redirectUri: string | null = null,
    challenge: string | null = null,
  ): string {
    const code = randomBytes(10).toString('hex');
    const expiresAt = this.clock.now().getTime() + CODE_MS;
    this.#codes.set(code, { app, user, redirectUri, challenge, expiresAt });
    return code;
  }

  #authorize({ query }: GithubCall): GithubAnswer {
    const app = this.world.appByClient(query.get('client_id') ?? '');
    if (!app) throw notFound();
    const asked = query.get('redirect_uri');
    const to = asked ?? app.callbackUrls[0];
    if (to === undefined || (asked !== null && !app.callbackUrls.includes(asked)))
      return { status: 400, body: 'The redirect_uri is not associated with this application.' };
    const code = this.codeFor(this.#person(), app, asked, query.get('code_challenge'));
    return redirect(to, { code, state: query.get('state') });
  }

  #exchange({ body }: GithubCall): GithubAnswer {
    const app = this.world.appByClient(String(body.client_id));
    if (!app || app.clientSecret !== body.client_secret) return oauthError('incorrect_client_credentials');
    if (body.grant_type === 'refresh_token') {
      const grant = this.tokens.refresh(String(body.refresh_token), app);
      return grant ? granted(grant) : oauthError('bad_refresh_token');
    }
    const code = this.#codes.get(String(body.code));
    this.#codes.delete(String(body.code));
    if (code?.app.id !== app.id || code.expiresAt <= this.clock.now().getTime())
      return oauthError('bad_verification_code');
    if (
      code.redirectUri !== null &&
      body.redirect_uri !== undefined &&
      body.redirect_uri !== code.redirectUri
    )
      return oauthError('redirect_uri_mismatch');
    if (code.challenge !== null && code.challenge !== challengeOf(body.code_verifier))
      return oauthError('bad_verification_code');
    return granted(this.tokens.forUser(code.user, app));
  }

  #create({ body, query }: GithubCall, organization: string | undefined): GithubAnswer {
    const person = this.#person();
    const owner = organization === undefined ? person : this.world.organization(organization);
    if (!owner) throw notFound();
    const manifest = manifestOf(body.manifest);
    const app = this.make.app(manifest, owner);
    return redirect(String(manifest.redirect_url), {
      code: this.conversions.codeFor(app),
      state: query.get('state'),
    });
  }

  #install({ query }: GithubCall, slug: string): GithubAnswer {
    const app = this.world.appBySlug(slug);
    if (!app) throw notFound();
    const target = this.browser.target ?? this.#person();
    const there = [...this.world.installations.values()].find(
      (installation) => installation.app.id === app.id && installation.account.id === target.id,
    );
    const installation = there ?? this.make.installation(app, target, this.browser.repositoryIds);
    const known = {
      installation_id: String(installation.id),
      setup_action: there ? 'update' : 'install',
      state: query.get('state'),
    };
    const [callback] = app.callbackUrls;
    if (app.oauthOnInstall && callback !== undefined)
      return redirect(callback, { code: this.codeFor(this.#person(), app), ...known });
    return redirect(app.setupUrl ?? `https://github.com/settings/installations/${installation.id}`, known);
  }

  #person(): GithubUser {
    if (!this.browser.user) throw new GithubRefusal(403, 'Nobody is signed in: set browser.user.');
    return this.browser.user;
  }
}

function manifestOf(field: unknown): Record<string, unknown> {
  const refuse = (why: string): GithubRefusal =>
    new GithubRefusal(422, `Invalid GitHub App manifest: ${why}`);
  let manifest: Record<string, unknown>;
  try {
    manifest = JSON.parse(String(field)) as Record<string, unknown>;
  } catch {
    throw refuse('it is not JSON');
  }
  if (typeof manifest.url !== 'string') throw refuse('"url" is missing');
  if (typeof manifest.redirect_url !== 'string') throw refuse('"redirect_url" is missing');
  const callbacks = (manifest.callback_urls ?? []) as unknown[];
  if (callbacks.length > 10) throw refuse('more than 10 callback URLs');
  const permissions = Object.keys(manifest.default_permissions ?? {});
  if (permissions.includes('email_addresses')) throw refuse('unknown permission "email_addresses"');
  const events = (manifest.default_events ?? []) as string[];
  const wrong = events.find((event) => ALWAYS_DELIVERED.includes(event));
  if (wrong !== undefined) throw refuse(`"${wrong}" is always delivered and cannot be listed`);
  return manifest;
}

function redirect(to: string, parameters: Record<string, string | null>): GithubAnswer {
  const url = new URL(to);
  for (const [name, value] of Object.entries(parameters))
    if (value !== null) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href } };
}

function granted(grant: UserGrant): GithubAnswer {
  return { status: 200, body: grant };
}

/** OAuth errors of GitHub come with status 200. */
function oauthError(error: string): GithubAnswer {
  return { status: 200, body: { error, error_description: `${error.replaceAll('_', ' ')}.`, error_uri: '' } };
}

function challengeOf(verifier: unknown): string {
  return createHash('sha256').update(String(verifier)).digest('base64url');
}
