import { createHash } from 'node:crypto';
import { hintOf, type Clock } from '../../kernel/index.js';
import { endOf, post, POST_LIMITS, tokenIn, type AnswerBody, type PostLimits } from '../../oauth/index.js';
import type { ParsedCredential } from '../kinds.js';
import { grantOf, type Dialect, type Grant } from './grant.js';
import type { Renewal, RenewalRequest, TokenSource } from './token-source.js';

/** Where Claude logins are made and renewed. There is no public specification; all of it is configuration (providers.md 1.1). */
export interface ClaudeEndpoints {
  authorizeUrl: string;
  tokenUrl: string;
  redirectUrl: string;
  clientId: string;
  scopes: string;
}

interface ClaudeTokens {
  accessToken: string;
  /** Null: the one before stays good. */
  refreshToken: string | null;
  expiresAt: Date;
  /** What was granted; null when it does not say. */
  scopes: string[] | null;
  email: string | null;
}

/** Without it the token calls no model. */
const MODEL_SCOPE = 'user:inference';

/** Logins of a Claude subscription, as Claude Code makes them: PKCE with a pasted code, refresh tokens that serve once. */
export class ClaudeLogins implements TokenSource {
  /** None is documented, and one measured report says that there is none (providers.md 1.3). */
  readonly graceSeconds = 0;

  constructor(
    private readonly endpoints: ClaudeEndpoints,
    private readonly clock: Clock,
    private readonly limits: PostLimits = POST_LIMITS,
  ) {}

  async renew({ secret, settings }: RenewalRequest): Promise<Renewal> {
    const { refreshToken = '' } = secret;
    const grant = await this.#ask({ grant_type: 'refresh_token', refresh_token: refreshToken });
    if (grant.outcome !== 'granted') return grant;
    const { accessToken, expiresAt, email, ...next } = grant.value;
    return {
      outcome: 'renewed',
      renewed: {
        secret: { accessToken, refreshToken: next.refreshToken ?? refreshToken },
        hint: hintOf(accessToken),
        expiresAt,
        account: { email: email ?? settings.account?.email ?? null, plan: settings.account?.plan ?? null },
      },
    };
  }

  /** The link that a person opens. Its page shows `code#state` to paste back. */
  authorizationUrl(verifier: string, state: string): string {
    const { authorizeUrl, clientId, redirectUrl, scopes } = this.endpoints;
    const url = new URL(authorizeUrl);
    const query = {
      code: 'true',
      client_id: clientId,
      response_type: 'code',
      redirect_uri: redirectUrl,
      scope: scopes,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state,
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Exchanges what the person pasted. The code serves once, whatever comes of it. */
  async exchange(code: string, state: string, verifier: string): Promise<Grant<ParsedCredential>> {
    const grant = await this.#ask({
      grant_type: 'authorization_code',
      code,
      // Unusual, and wanted (providers.md 1.2).
      state,
      redirect_uri: this.endpoints.redirectUrl,
      code_verifier: verifier,
    });
    if (grant.outcome !== 'granted') return grant;
    const { accessToken, refreshToken, expiresAt, scopes, email } = grant.value;
    if (scopes && !scopes.includes(MODEL_SCOPE))
      return { outcome: 'rejected', reason: `Claude granted no access to models (${MODEL_SCOPE})` };
    if (!refreshToken) return { outcome: 'rejected', reason: 'Claude gave a login that cannot be renewed' };
    return {
      outcome: 'granted',
      value: {
        secret: { accessToken, refreshToken },
        hint: hintOf(accessToken),
        settings: { account: { email, plan: null } },
        expiresAt,
      },
    };
  }

  async #ask(body: Record<string, string>): Promise<Grant<ClaudeTokens>> {
    const { tokenUrl, clientId } = this.endpoints;
    const posted = await post(tokenUrl, { json: { ...body, client_id: clientId } }, this.limits);
    return grantOf(posted, dialect(this.clock.now()));
  }
}

/**
 * `invalid_grant` alone ends a login. `invalid_client` and `unauthorized_client` are about the client id: with a wrong one configured, no login of anybody would survive if they did.
 */
export function dialect(now: Date): Dialect<ClaudeTokens> {
  return {
    provider: 'Claude',
    ended: (_status, { error }) => (error === 'invalid_grant' ? error : null),
    read: (body) => {
      const accessToken = tokenIn(body.access_token);
      if (!accessToken) return null;
      return {
        accessToken,
        refreshToken: tokenIn(body.refresh_token),
        expiresAt: endOf(body.expires_in, null, now),
        scopes: typeof body.scope === 'string' ? body.scope.split(' ') : null,
        email: emailOf(body),
      };
    },
  };
}

/** The token endpoint says `account.email_address` where the profile says `account.email` (providers.md 1.2). */
function emailOf({ account }: AnswerBody): string | null {
  if (typeof account !== 'object' || account === null) return null;
  const { email_address: address, email } = account as AnswerBody;
  const said = address ?? email;
  return typeof said === 'string' && said !== '' ? said.slice(0, 200) : null;
}
