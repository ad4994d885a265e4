import { decodeJwt } from 'jose';
import { hintOf, type Clock } from '../../kernel/index.js';
import {
  endOf,
  post,
  POST_LIMITS,
  tokenIn,
  wordOf,
  type AnswerBody,
  type PostLimits,
} from '../../oauth/index.js';
import { chatgptAccountOf, type CredentialSettings, type ParsedCredential } from '../kinds.js';
import { grantOf, type Dialect, type Grant } from './grant.js';
import type { Renewal, RenewalRequest, TokenSource } from './token-source.js';

/** Where ChatGPT logins are made and renewed (providers.md 4.1). */
export interface ChatgptEndpoints {
  authUrl: string;
  clientId: string;
}

/** A code that a person types at the provider's page. */
export interface DeviceCode {
  deviceAuthId: string;
  userCode: string;
  verificationUrl: string;
  intervalSeconds: number;
}

/** `disabled`: the account, or this client, may not use codes. */
export type DeviceBegun =
  | { outcome: 'begun'; device: DeviceCode }
  | { outcome: 'disabled' }
  | { outcome: 'failed'; reason: string; retryAfterSeconds: number | null };

/** `approved`: the person typed the code, and what came of it can be exchanged, once. */
export type DevicePolled =
  | { outcome: 'pending' }
  | { outcome: 'approved'; code: string; verifier: string }
  | { outcome: 'failed'; reason: string; retryAfterSeconds: number | null };

/** Each may be missing: then the one before stays good. */
interface ChatgptTokens {
  accessToken: string | null;
  refreshToken: string | null;
  idToken: string | null;
  expiresAt: Date;
}

const DEFAULT_INTERVAL_SECONDS = 5;
const MAX_INTERVAL_SECONDS = 60;

/** "Sign in with ChatGPT" as Codex does it on a machine without a browser: a code typed at OpenAI's page, refresh tokens that serve once. */
export class ChatgptLogins implements TokenSource {
  /** None is documented. */
  readonly graceSeconds = 0;

  constructor(
    private readonly endpoints: ChatgptEndpoints,
    private readonly clock: Clock,
    private readonly limits: PostLimits = POST_LIMITS,
  ) {}

  async renew({ secret, settings }: RenewalRequest): Promise<Renewal> {
    const { accessToken = '', refreshToken = '', accountId = '' } = secret;
    const { clientId } = this.endpoints;
    const grant = await this.#token({
      json: { client_id: clientId, grant_type: 'refresh_token', refresh_token: refreshToken },
    });
    if (grant.outcome !== 'granted') return grant;
    const next = grant.value;
    // Every field may be missing; then the old value stays (providers.md 4.3).
    const token = next.accessToken ?? accessToken;
    const said = accountIn(next);
    return {
      outcome: 'renewed',
      renewed: {
        secret: {
          accessToken: token,
          refreshToken: next.refreshToken ?? refreshToken,
          accountId: accountId === '' ? (said.accountId ?? '') : accountId,
        },
        hint: hintOf(token),
        expiresAt: next.accessToken ? next.expiresAt : (expiryOf(token) ?? next.expiresAt),
        account: accountAfter(said, settings),
      },
    };
  }

  /** Asks for a code. A 404 at this first call says that codes are not enabled (providers.md 4.1). */
  async begin(): Promise<DeviceBegun> {
    const { authUrl, clientId } = this.endpoints;
    const url = `${authUrl}/api/accounts/deviceauth/usercode`;
    const posted = await post(url, { json: { client_id: clientId } }, this.limits);
    if (posted.kind === 'answered' && posted.status === 404) return { outcome: 'disabled' };
    const grant = grantOf(
      posted,
      speaking((body) => this.#deviceIn(body)),
    );
    return grant.outcome === 'granted' ? { outcome: 'begun', device: grant.value } : again(grant);
  }

  /** Asks whether the person typed the code: 403 and 404 say not yet. Asking changes nothing at the provider until it did. */
  async poll({ deviceAuthId, userCode }: DeviceCode): Promise<DevicePolled> {
    const url = `${this.endpoints.authUrl}/api/accounts/deviceauth/token`;
    const posted = await post(
      url,
      { json: { device_auth_id: deviceAuthId, user_code: userCode } },
      this.limits,
    );
    if (posted.kind === 'answered' && (posted.status === 403 || posted.status === 404))
      return { outcome: 'pending' };
    const grant = grantOf(posted, speaking(approvalIn));
    return grant.outcome === 'granted' ? { outcome: 'approved', ...grant.value } : again(grant);
  }

  /** Exchanges what the approval brought. The code serves once, whatever comes of it. */
  async exchange(code: string, verifier: string): Promise<Grant<ParsedCredential>> {
    const { authUrl, clientId } = this.endpoints;
    // A form here, and JSON for a refresh.
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: `${authUrl}/deviceauth/callback`,
      client_id: clientId,
      code_verifier: verifier,
    };
    const grant = await this.#token({ form });
    if (grant.outcome !== 'granted') return grant;
    const { accessToken, refreshToken, expiresAt } = grant.value;
    const { accountId, email, plan } = accountIn(grant.value);
    if (!accessToken || !refreshToken)
      return { outcome: 'rejected', reason: 'ChatGPT gave a login that cannot be renewed' };
    if (!accountId) return { outcome: 'rejected', reason: 'ChatGPT did not say which account it is' };
    return {
      outcome: 'granted',
      value: {
        secret: { accessToken, refreshToken, accountId },
        hint: hintOf(accessToken),
        settings: { account: { email, plan } },
        expiresAt,
      },
    };
  }

  async #token(body: Parameters<typeof post>[1]): Promise<Grant<ChatgptTokens>> {
    const posted = await post(`${this.endpoints.authUrl}/oauth/token`, body, this.limits);
    return grantOf(posted, dialect(this.clock.now()));
  }

  #deviceIn(body: AnswerBody): DeviceCode | null {
    const [deviceAuthId, userCode] = [tokenIn(body.device_auth_id), tokenIn(body.user_code)];
    if (!deviceAuthId || !userCode) return null;
    // A text, says the source of Codex.
    const interval = Number(body.interval ?? DEFAULT_INTERVAL_SECONDS);
    const intervalSeconds = Number.isFinite(interval)
      ? Math.min(MAX_INTERVAL_SECONDS, Math.max(1, interval))
      : DEFAULT_INTERVAL_SECONDS;
    const verificationUrl = `${this.endpoints.authUrl}/codex/device`;
    return { deviceAuthId, userCode, verificationUrl, intervalSeconds };
  }
}

/** What ends a login beside `refresh_token_…`; the second one: the refresh token is none of OpenAI's, cut or changed when it was copied (providers.md 4.3). */
const ENDING = new Set(['invalid_grant', 'invalid_refresh_token_ciphertext_integrity']);

/** Terminal are the codes about the refresh token, and `invalid_grant`; a 401 without one of them is not (providers.md 0.9). */
export function dialect(now: Date): Dialect<ChatgptTokens> {
  return {
    provider: 'ChatGPT',
    ended: (_status, body) => {
      const code = wordOf(body);
      if (code === null) return null;
      return code.startsWith('refresh_token_') || ENDING.has(code) ? code : null;
    },
    read: (body) => {
      const [accessToken, refreshToken, idToken] = [
        tokenIn(body.access_token),
        tokenIn(body.refresh_token),
        tokenIn(body.id_token),
      ];
      // With neither there is nothing new in it.
      if (!accessToken && !refreshToken) return null;
      const known = accessToken ? expiryOf(accessToken) : null;
      return { accessToken, refreshToken, idToken, expiresAt: endOf(body.expires_in, known, now) };
    },
  };
}

/** Calls before there is a login: nothing can be over. */
function speaking<T>(read: Dialect<T>['read']): Dialect<T> {
  return { provider: 'ChatGPT', ended: () => null, read };
}

/** Before anything was granted, a lost answer is no worse than none. */
function again(grant: Exclude<Grant<unknown>, { outcome: 'granted' }>): {
  outcome: 'failed';
  reason: string;
  retryAfterSeconds: number | null;
} {
  const retryAfterSeconds = grant.outcome === 'failed' ? grant.retryAfterSeconds : null;
  return { outcome: 'failed', reason: grant.reason, retryAfterSeconds };
}

/** The verifier is the server's own here. */
function approvalIn(body: AnswerBody): { code: string; verifier: string } | null {
  const [code, verifier] = [tokenIn(body.authorization_code), tokenIn(body.code_verifier)];
  return code && verifier ? { code, verifier } : null;
}

function expiryOf(token: string): Date | null {
  try {
    const { exp } = decodeJwt(token);
    return typeof exp === 'number' ? new Date(exp * 1000) : null;
  } catch {
    return null;
  }
}

type Account = ReturnType<typeof chatgptAccountOf>;

/** What the tokens say of the account: the id token first. */
function accountIn({ idToken, accessToken }: ChatgptTokens): Account {
  const [first, second] = [chatgptAccountOf(idToken ?? ''), chatgptAccountOf(accessToken ?? '')];
  return {
    accountId: first.accountId ?? second.accountId,
    email: first.email ?? second.email,
    plan: first.plan ?? second.plan,
  };
}

function accountAfter({ email, plan }: Account, { account }: CredentialSettings) {
  return { email: email ?? account?.email ?? null, plan: plan ?? account?.plan ?? null };
}
