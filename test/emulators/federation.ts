import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../src/kernel/index.js';
import type { AccessState } from './login-book.js';
import type { TokenAnswer } from './logins.js';

export const FEDERATION_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** A federation rule as somebody makes it in the Console, with its issuer (providers.md 2.3). */
export interface FederationRule {
  id: string;
  organizationId: string;
  serviceAccountId: string;
  issuer: string;
  /** Fetched, and kept for a minute; or the keys themselves, as they were pasted. */
  jwks: { url: string } | { keys: JSONWebKeySet['keys'] };
  /** Exact, unless it ends with `*`. */
  subjectPrefix: string;
  audience: string;
  /** Where there is more than one, the request must name its own. */
  workspaces: string[];
  tokenSeconds: number;
}

/** One exchange: by these lines tests count. */
export interface FederationExchange {
  at: string;
  rule: string;
  subject: string | null;
  tokenId: string | null;
  kid: string | null;
  /** Why it was denied, as the authentication history says it and the answer does not; null: it was granted. */
  denied: string | null;
}

const requestSchema = z.strictObject({
  grant_type: z.literal(FEDERATION_GRANT),
  assertion: z.string().max(16 * 1024),
  federation_rule_id: z.string().regex(/^fdrl_\w+$/, 'federation_rule_id must begin with fdrl_'),
  organization_id: z.uuid('organization_id must be a UUID'),
  service_account_id: z.string().regex(/^svac_\w+$/, 'service_account_id must begin with svac_'),
  workspace_id: z
    .string()
    .regex(/^(wrkspc_\w+|default)$/, 'workspace_id must begin with wrkspc_')
    .optional(),
});
type Asked = z.output<typeof requestSchema>;

const BETAS = ['oauth-2025-04-20', 'oidc-federation-2026-04-01'];
const KEYS_KEPT_MS = 60_000;
const LEEWAY_SECONDS = 30;
const ISSUER_MAXIMUM_SECONDS = 3600;
const MIN_TOKEN_SECONDS = 60;

class Denied extends Error {}

interface Minted {
  rule: string;
  expiresAt: Date;
  subject: string;
  isRevoked: boolean;
}

/** Workload identity federation of the Anthropic API: the jwt-bearer grant, whose every denial reads the same (providers.md 2). */
export class Federation {
  readonly #rules = new Map<string, FederationRule>();
  readonly #kept = new Map<string, { keys: JSONWebKeySet; at: number }>();
  readonly #tokens = new Map<string, Minted>();
  readonly #seen = new Set<string>();
  /** All that were brought, as they were: to be looked for where they must not be. */
  readonly assertions: string[] = [];
  #exchanges: FederationExchange[] = [];

  constructor(private readonly clock: Clock) {}

  /** Makes a rule, or changes it. */
  set(rule: FederationRule): void {
    this.#rules.set(rule.id, rule);
  }

  /** All that were ever given. */
  get tokens(): string[] {
    return [...this.#tokens.keys()];
  }

  get exchanges(): readonly FederationExchange[] {
    return this.#exchanges;
  }

  /** Assertions that were used twice. None is documented to be refused for it; Berth must not do it all the same. */
  get replays(): number {
    return this.#exchanges.filter(({ denied }) => denied === 'replay').length;
  }

  reset(): void {
    this.#exchanges = [];
  }

  /** Null for a token that was never given here. */
  stateOf(token: string): { state: AccessState; subject: string; rule: string } | null {
    const minted = this.#tokens.get(token);
    if (!minted) return null;
    const { isRevoked, expiresAt, subject, rule } = minted;
    const state = isRevoked ? 'revoked' : expiresAt <= this.clock.now() ? 'expired' : 'living';
    return { state, subject, rule };
  }

  /** One, or all that live. */
  revoke(token?: string): void {
    for (const [each, minted] of this.#tokens)
      if (token === undefined || each === token) minted.isRevoked = true;
  }

  /** Answers the grant. */
  async grant(body: unknown, betas: string[]): Promise<TokenAnswer> {
    const asked = requestSchema.safeParse(body);
    const missing = BETAS.filter((beta) => !betas.includes(beta));
    if (!asked.success || missing.length > 0) {
      const message = asked.success
        ? `anthropic-beta: ${missing.join(', ')} is missing`
        : asked.error.issues.map((issue) => issue.message).join('; ');
      return refusal(400, 'invalid_request_error', message);
    }
    const line: FederationExchange = {
      at: this.clock.now().toISOString(),
      rule: asked.data.federation_rule_id,
      subject: null,
      tokenId: null,
      kid: null,
      denied: null,
    };
    this.#exchanges.push(line);
    this.assertions.push(asked.data.assertion);
    try {
      return await this.#exchange(asked.data, line);
    } catch (error) {
      line.denied = error instanceof Denied ? error.message : 'signature';
      return refusal(401, 'authentication_error', 'Authentication failed');
    }
  }

  async #exchange(asked: Asked, line: FederationExchange): Promise<TokenAnswer> {
    const rule = this.#ruleOf(asked);
    const now = this.clock.now();
    const { payload, protectedHeader } = await jwtVerify(
      asked.assertion,
      createLocalJWKSet(await this.#keysOf(rule)),
      {
        algorithms: ['ES256', 'RS256'],
        requiredClaims: ['sub', 'iat', 'exp'],
        clockTolerance: LEEWAY_SECONDS,
        currentDate: now,
      },
    );
    const { sub = '', exp = 0, jti = null } = payload;
    Object.assign(line, { subject: sub, tokenId: jti, kid: protectedHeader.kid ?? null });
    checkClaims(rule, payload, now);
    if (jti === null || this.#seen.has(jti)) throw new Denied('replay');
    this.#seen.add(jti);
    return this.#mint(rule, sub, exp - now.getTime() / 1000);
  }

  #ruleOf(asked: Asked): FederationRule {
    const rule = this.#rules.get(asked.federation_rule_id);
    if (!rule) throw new Denied('unknown_rule');
    if (rule.organizationId !== asked.organization_id) throw new Denied('organization');
    if (rule.serviceAccountId !== asked.service_account_id) throw new Denied('service_account');
    const workspace = asked.workspace_id ?? (rule.workspaces.length === 1 ? rule.workspaces[0] : undefined);
    if (workspace === undefined) throw new Denied('workspace_id_required');
    if (!rule.workspaces.includes(workspace)) throw new Denied('workspace');
    return rule;
  }

  #mint(rule: FederationRule, subject: string, remainingSeconds: number): TokenAnswer {
    const seconds = Math.floor(
      Math.max(MIN_TOKEN_SECONDS, Math.min(rule.tokenSeconds, 2 * remainingSeconds)),
    );
    const token = `sk-ant-oat01-${randomBytes(48).toString('base64url')}`;
    const expiresAt = new Date(this.clock.now().getTime() + seconds * 1000);
    this.#tokens.set(token, { rule: rule.id, expiresAt, subject, isRevoked: false });
    const body = {
      access_token: token,
      token_type: 'Bearer',
      expires_in: seconds,
      scope: 'workspace:inference',
    };
    return { status: 200, body, outcome: 'exchanged', lineage: subject };
  }

  /** Kept for a minute, also when a signature names a key that is not among them: who signs with a key too early is found out. */
  async #keysOf({ jwks }: FederationRule): Promise<JSONWebKeySet> {
    if ('keys' in jwks) return jwks;
    const { url } = jwks;
    const now = this.clock.now().getTime();
    const kept = this.#kept.get(url);
    if (kept && now - kept.at < KEYS_KEPT_MS) return kept.keys;
    const response = await fetch(url, { redirect: 'error' });
    if (!response.ok) throw new Denied('jwks_unavailable');
    const keys = (await response.json()) as JSONWebKeySet;
    this.#kept.set(url, { keys, at: now });
    return keys;
  }
}

function checkClaims(
  rule: FederationRule,
  { iss, aud, sub = '', iat = 0, exp = 0 }: JWTPayload,
  now: Date,
): void {
  if (iss !== rule.issuer) throw new Denied('match_issuer');
  if (aud !== rule.audience) throw new Denied('match_audience');
  if (!fits(rule.subjectPrefix, sub)) throw new Denied('match_subject_prefix');
  if (iat > now.getTime() / 1000 + LEEWAY_SECONDS || exp - iat > ISSUER_MAXIMUM_SECONDS)
    throw new Denied('lifetime');
}

function fits(prefix: string, subject: string): boolean {
  return prefix.endsWith('*') ? subject.startsWith(prefix.slice(0, -1)) : subject === prefix;
}

function refusal(status: number, type: string, message: string): TokenAnswer {
  return { status, body: { type: 'error', error: { type, message } }, outcome: 'refused', lineage: null };
}
