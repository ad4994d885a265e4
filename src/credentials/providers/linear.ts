import { createHash } from 'node:crypto';
import { BerthError, hintOf, type Clock, type Secret } from '../../kernel/index.js';
import { endOf, post, POST_LIMITS, tokenIn, type PostLimits } from '../../oauth/index.js';
import type { ParsedCredential } from '../kinds.js';
import { grantOf, type Dialect, type Grant } from './grant.js';
import type { Renewal, RenewalRequest, TokenSource } from './token-source.js';

/** Where Linear is, and as which OAuth app Berth is known there (linear.md 4). Without one Linear cannot be connected. */
export interface LinearEndpoints {
  apiUrl: string;
  authUrl: string;
  app: { clientId: string; clientSecret: Secret; webhookSecret: Secret } | null;
}

/** What is asked of Linear: to read and write, to be chosen as the one who does an issue, and to be mentioned. */
export const LINEAR_SCOPES = ['read', 'write', 'app:assignable', 'app:mentionable'] as const;

/** What a code was exchanged for. */
export interface LinearGrant {
  credential: ParsedCredential;
  scopes: string[];
}

interface LinearTokens {
  accessToken: string;
  refreshToken: string | null;
  expiresAt: Date;
  scopes: string[];
}

const PROVIDER = 'Linear';

/** Logins at Linear: as the app, for an organization, and as a person, to prove who they are. Tokens of a day, with a refresh token that serves once. */
export class LinearLogins implements TokenSource {
  /** "The same request may be replayed for 30 minutes" (linear.md 4). */
  readonly graceSeconds = 1800;

  constructor(
    readonly endpoints: LinearEndpoints,
    private readonly clock: Clock,
    private readonly limits: PostLimits = POST_LIMITS,
  ) {}

  obstacle(): string | null {
    return this.endpoints.app ? null : 'is of a Linear app that this Berth does not know (LINEAR_CLIENT_ID)';
  }

  async renew({ secret }: RenewalRequest): Promise<Renewal> {
    const { refreshToken = '' } = secret;
    const grant = await this.#ask({ grant_type: 'refresh_token', refresh_token: refreshToken });
    if (grant.outcome !== 'granted') return grant;
    const { accessToken, expiresAt, ...next } = grant.value;
    return {
      outcome: 'renewed',
      renewed: {
        secret: { accessToken, refreshToken: next.refreshToken ?? refreshToken },
        hint: hintOf(accessToken),
        expiresAt,
      },
    };
  }

  /** The page where an admin lets the app in (`app`), or a person says who they are (`user`). Throws `not-connected` where there is no app. */
  authorizationUrl(asked: {
    actor: 'app' | 'user';
    redirectUrl: string;
    state: string;
    verifier: string;
  }): string {
    const url = new URL(`${this.endpoints.authUrl}/oauth/authorize`);
    const query = {
      client_id: this.#app().clientId,
      redirect_uri: asked.redirectUrl,
      response_type: 'code',
      scope: asked.actor === 'app' ? LINEAR_SCOPES.join(',') : 'read',
      state: asked.state,
      actor: asked.actor,
      // Without it Linear goes on with the organization that was chosen last.
      prompt: 'consent',
      code_challenge: createHash('sha256').update(asked.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Exchanges a code. It serves once, whatever comes of it. */
  async exchange(code: string, verifier: string, redirectUrl: string): Promise<Grant<LinearGrant>> {
    const grant = await this.#ask({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUrl,
      code_verifier: verifier,
    });
    if (grant.outcome !== 'granted') return grant;
    const { accessToken, refreshToken, expiresAt, scopes } = grant.value;
    if (!refreshToken) return { outcome: 'rejected', reason: 'Linear gave a login that cannot be renewed' };
    const credential = {
      secret: { accessToken, refreshToken },
      hint: hintOf(accessToken),
      settings: {},
      expiresAt,
    };
    return { outcome: 'granted', value: { credential, scopes } };
  }

  /** Ends a login at Linear. False: Linear did not say that it did. */
  async revoke(token: Secret): Promise<boolean> {
    const posted = await post(`${this.endpoints.apiUrl}/oauth/revoke`, {
      form: { token: token.reveal(), ...this.#client() },
    });
    return posted.kind === 'answered' && posted.status === 200;
  }

  async #ask(form: Record<string, string>): Promise<Grant<LinearTokens>> {
    const url = `${this.endpoints.apiUrl}/oauth/token`;
    return grantOf(
      await post(url, { form: { ...form, ...this.#client() } }, this.limits),
      dialect(this.clock.now()),
    );
  }

  #client(): Record<string, string> {
    const { clientId, clientSecret } = this.#app();
    return { client_id: clientId, client_secret: clientSecret.reveal() };
  }

  #app() {
    if (this.endpoints.app) return this.endpoints.app;
    throw new BerthError(
      'not-connected',
      'This Berth has no app at Linear. Who runs it makes one there and sets LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET and LINEAR_WEBHOOK_SECRET.',
    );
  }
}

/** `invalid_grant` alone ends a login: `invalid_client` is about the app, and with a wrong secret configured nobody's login would survive if it did. */
export function dialect(now: Date): Dialect<LinearTokens> {
  return {
    provider: PROVIDER,
    ended: (_status, { error }) => (error === 'invalid_grant' ? error : null),
    read: (body) => {
      const accessToken = tokenIn(body.access_token);
      if (!accessToken) return null;
      return {
        accessToken,
        refreshToken: tokenIn(body.refresh_token),
        expiresAt: endOf(body.expires_in, null, now),
        scopes: scopesIn(body.scope),
      };
    },
  };
}

/** One text with spaces, and a list for apps from before 2023-12 (linear.md 4). */
function scopesIn(scope: unknown): string[] {
  if (Array.isArray(scope)) return scope.filter((each) => typeof each === 'string');
  return typeof scope === 'string' ? scope.split(/[\s,]+/).filter((each) => each !== '') : [];
}
