import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { sendHead, sendJson } from './answers.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import type { IssuedPair, LoginSettings, Mint } from './login-book.js';
import { Logins, type TokenAnswer } from './logins.js';

/** linear.md 4: 24-hour tokens, a refresh token that rotates, and half an hour in which the same request may be sent again. */
const SETTINGS: LoginSettings = {
  accessSeconds: 86_399,
  loginSeconds: 10 * 365 * 86_400,
  graceSeconds: 1800,
};
const CODE_SECONDS = 600;

/** The app as it is registered at Linear. */
export interface LinearApp {
  clientId: string;
  clientSecret: string;
  /** Signs what is sent to the app's one webhook address. */
  webhookSecret: string;
  redirectUri: string | null;
}

/** As whom a token speaks. */
export interface LinearGrant {
  organizationId: string;
  userId: string;
  actor: 'app' | 'user';
  scopes: string[];
}

/** Who sits before the browser that opens the authorization page. */
export interface LinearVisitor {
  organizationId: string;
  userId: string;
  isAdmin: boolean;
  appUserId: string;
}

const authorizeSchema = z.object({
  client_id: z.string(),
  redirect_uri: z.url(),
  response_type: z.literal('code'),
  scope: z.string().min(1),
  state: z.string().min(1),
  actor: z.enum(['app', 'user']).default('user'),
  prompt: z.literal('consent').optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.literal('S256').optional(),
});
const exchangeSchema = z.object({
  grant_type: z.literal('authorization_code'),
  code: z.string(),
  redirect_uri: z.string(),
  code_verifier: z.string().optional(),
});
const refreshSchema = z.object({ grant_type: z.literal('refresh_token'), refresh_token: z.string() });

type Asked = z.output<typeof authorizeSchema>;

const mint: Mint = {
  access: () => `lin_oauth_${randomBytes(32).toString('hex')}`,
  refresh: () => `lin_refresh_${randomBytes(32).toString('hex')}`,
};

/** Linear's authorization page, token endpoint and revocation. */
export class LinearLogins extends Logins {
  readonly #codes = new Map<string, { asked: Asked; grant: LinearGrant; expiresAt: number }>();
  readonly #grants = new Map<string, LinearGrant>();
  /** Null: nobody is signed in. */
  visitor: LinearVisitor | null = null;
  /** The person presses "Cancel". */
  isDeclined = false;
  /** The scopes that the answer names, where they are not those that were asked for. */
  grantedScopes: string[] | null = null;

  constructor(
    readonly app: LinearApp,
    clock: Clock = systemClock,
  ) {
    super(mint, SETTINGS, clock);
  }

  /** A pair as though an admin had authorised the app. */
  install(grant: LinearGrant): IssuedPair {
    const pair = this.book.begin({ id: grant.userId, email: '', plan: grant.actor });
    this.#grants.set(pair.lineage, grant);
    return pair;
  }

  /** As whom a token speaks; null when it does not serve. */
  grantOf(accessToken: string): LinearGrant | null {
    const known = this.book.stateOf(accessToken);
    return known?.state === 'living' ? (this.#grants.get(known.lineage) ?? null) : null;
  }

  /** Ends every login of an organization, as its admin does by removing the app. */
  endAll(organizationId: string): void {
    for (const [lineage, grant] of this.#grants)
      if (grant.organizationId === organizationId) this.book.end(lineage);
  }

  /** How many logins of an organization still live. */
  living(organizationId: string): number {
    return this.book.lineages.filter(
      ({ id, isEnded }) => !isEnded && this.#grants.get(id)?.organizationId === organizationId,
    ).length;
  }

  /** Where the page behind a link sends the browser. Throws for a link that asks wrongly: the real page shows an error and goes nowhere. */
  locationFor(link: string): string {
    const asked = authorizeSchema.parse(Object.fromEntries(new URL(link).searchParams));
    const { visitor, app } = this;
    if (asked.client_id !== app.clientId) throw new Error('unknown client_id');
    if (app.redirectUri !== null && asked.redirect_uri !== app.redirectUri)
      throw new Error('redirect_uri is not registered');
    const back = new URL(asked.redirect_uri);
    back.searchParams.set('state', asked.state);
    const scopes = asked.scope.split(',');
    if (asked.actor === 'app' && scopes.includes('admin')) throw new Error('admin cannot go with actor=app');
    if (this.isDeclined) {
      back.searchParams.set('error', 'access_denied');
      return back.href;
    }
    if (!visitor) throw new Error('nobody is signed in');
    if (asked.actor === 'app' && !visitor.isAdmin) throw new Error('only an admin may install an app');
    const code = randomBytes(20).toString('hex');
    const userId = asked.actor === 'app' ? visitor.appUserId : visitor.userId;
    const grant = { organizationId: visitor.organizationId, userId, actor: asked.actor, scopes };
    this.#codes.set(code, { asked, grant, expiresAt: this.clock.now().getTime() + CODE_SECONDS * 1000 });
    back.searchParams.set('code', code);
    return back.href;
  }

  /** Answers one of the login's paths; false for any other. */
  async serve(exchange: Exchange, failure: () => Failure | null, text: string): Promise<boolean> {
    switch (`${exchange.entry.method} ${exchange.entry.path}`) {
      case 'GET /oauth/authorize':
        this.#page(exchange);
        return true;
      case 'POST /oauth/token':
        await this.answer(exchange, failure(), (keep) => this.#token(exchange, text, keep), USUAL);
        return true;
      case 'POST /oauth/revoke':
        await this.answer(exchange, failure(), () => this.#revoke(text), USUAL);
        return true;
      default:
        return false;
    }
  }

  #page(exchange: Exchange): void {
    try {
      sendHead(exchange, 302, {
        location: this.locationFor(new URL(exchange.request.url ?? '', 'http://x').href),
      });
      exchange.response.end();
    } catch {
      sendJson(exchange, 400, { error: 'invalid_request' });
    }
  }

  #token({ request }: Exchange, text: string, keepRefresh: boolean): TokenAnswer {
    if (request.headers['content-type'] !== 'application/x-www-form-urlencoded')
      return refused('invalid_request');
    const form = Object.fromEntries(new URLSearchParams(text));
    if (!this.#isClient(form, request.headers.authorization)) return refused('invalid_client', 401);
    const refresh = refreshSchema.safeParse(form);
    if (refresh.success) return this.#refreshed(refresh.data.refresh_token, keepRefresh);
    const exchange = exchangeSchema.safeParse(form);
    return exchange.success ? this.#exchanged(exchange.data) : refused('unsupported_grant_type');
  }

  #isClient(form: Record<string, string>, authorization: string | undefined): boolean {
    const { clientId, clientSecret } = this.app;
    const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    return (
      authorization === `Basic ${basic}` ||
      (form.client_id === clientId && form.client_secret === clientSecret)
    );
  }

  #refreshed(token: string, keepRefresh: boolean): TokenAnswer {
    const lineage = this.book.lineageOf(token);
    const result = this.book.refresh(token, keepRefresh);
    if (!('pair' in result)) return { ...refused('invalid_grant'), outcome: result.outcome, lineage };
    return { status: 200, body: this.#body(result.pair), outcome: result.outcome, lineage };
  }

  #exchanged(asked: z.output<typeof exchangeSchema>): TokenAnswer {
    const known = this.#codes.get(asked.code);
    // Once, whatever comes of it.
    this.#codes.delete(asked.code);
    const isGood =
      known &&
      known.expiresAt > this.clock.now().getTime() &&
      known.asked.redirect_uri === asked.redirect_uri &&
      isProven(known.asked, asked.code_verifier);
    if (!isGood) return refused('invalid_grant');
    const pair = this.install(known.grant);
    return { status: 200, body: this.#body(pair), outcome: 'exchanged', lineage: pair.lineage };
  }

  #body({ accessToken, refreshToken, lineage }: IssuedPair): object {
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: this.settings.accessSeconds,
      scope: (this.grantedScopes ?? this.#grants.get(lineage)?.scopes ?? []).join(' '),
      refresh_token: refreshToken,
    };
  }

  #revoke(text: string): TokenAnswer {
    const token = new URLSearchParams(text).get('token') ?? '';
    const lineage = this.book.stateOf(token)?.lineage ?? this.book.lineageOf(token);
    if (lineage === null) return refused('invalid_request');
    this.book.end(lineage);
    return { status: 200, body: {}, outcome: 'asked', lineage };
  }
}

const USUAL = { error: 'server_error' };

function isProven({ code_challenge: challenge }: Asked, verifier: string | undefined): boolean {
  if (challenge === undefined) return verifier === undefined;
  return (
    createHash('sha256')
      .update(verifier ?? '')
      .digest('base64url') === challenge
  );
}

function refused(error: string, status = 400): TokenAnswer {
  return { status, body: { error, error_description: `told: ${error}` }, outcome: 'refused', lineage: null };
}
