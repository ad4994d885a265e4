import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../src/kernel/index.js';
import { sendHead } from './answers.js';
import { betasOf } from './betas.js';
import { Federation, FEDERATION_GRANT } from './federation.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import type { IssuedPair, LoginSettings, RefreshOutcome } from './login-book.js';
import { Logins, type TokenAnswer } from './logins.js';

export const TOKEN_PATH = '/v1/oauth/token';
const AUTHORIZE_PATH = '/oauth/authorize';
const CALLBACK_PATH = '/oauth/code/callback';
const CODE_SECONDS = 600;

const SETTINGS: LoginSettings = { accessSeconds: 28_800, loginSeconds: 30 * 24 * 3600, graceSeconds: 0 };

const mint = {
  access: () => `sk-ant-oat01-${randomBytes(48).toString('base64url')}`,
  refresh: () => `sk-ant-ort01-${randomBytes(48).toString('base64url')}`,
};

const authorizeSchema = z.object({
  code: z.literal('true'),
  client_id: z.string().min(1),
  response_type: z.literal('code'),
  redirect_uri: z.url(),
  scope: z.string().min(1),
  code_challenge: z.string().regex(/^[\w-]{43}$/),
  code_challenge_method: z.literal('S256'),
  state: z.string().min(1),
});
type Authorization = z.output<typeof authorizeSchema>;

const exchangeSchema = z.strictObject({
  grant_type: z.literal('authorization_code'),
  code: z.string(),
  state: z.string(),
  client_id: z.string(),
  redirect_uri: z.string(),
  code_verifier: z.string().regex(/^[\w.~-]{43,128}$/),
});
const refreshSchema = z.strictObject({
  grant_type: z.literal('refresh_token'),
  refresh_token: z.string(),
  client_id: z.string().min(1),
  scope: z.string().optional(),
});

interface Code {
  asked: Authorization;
  expiresAt: number;
}

/** Claude's login: the page that shows a code, and the token endpoint (providers.md 1.1 to 1.3). */
export class ClaudeLogins extends Logins {
  readonly #codes = new Map<string, Code>();
  /** How a token that was revoked by itself is refused; both were seen (providers.md 1.8). */
  revokedStatus: 401 | 403 = 403;

  readonly federation: Federation;

  constructor(clock?: Clock) {
    super(mint, SETTINGS, clock);
    this.federation = new Federation(this.clock);
  }

  override revoke(accessToken: string): void {
    super.revoke(accessToken);
    this.federation.revoke(accessToken);
  }

  override reset(): void {
    super.reset();
    this.federation.reset();
  }

  /** What a person who agrees copies from the page behind a link. Throws ZodError when the link asks wrongly. */
  codeFor(authorizationUrl: string): string {
    const { code, state } = this.#agree(new URL(authorizationUrl));
    return `${code}#${state}`;
  }

  isPage({ method, path }: { method: string; path: string }): boolean {
    return method === 'GET' && (path === AUTHORIZE_PATH || path === CALLBACK_PATH);
  }

  /** The pages a person sees: one that asks (and here agrees at once), and one that shows the code. */
  page(exchange: Exchange): void {
    const { response, entry, request } = exchange;
    const url = new URL(request.url ?? '', 'http://emulator');
    if (entry.path === CALLBACK_PATH) {
      sendHead(exchange, 200, { 'content-type': 'text/html' });
      const shown = `${url.searchParams.get('code') ?? ''}#${url.searchParams.get('state') ?? ''}`;
      response.end(`<p>Paste this into Berth:</p><code>${shown.replaceAll(/[^\w#.~-]/g, '')}</code>\n`);
      return;
    }
    const { code, state, redirectUri } = this.#agree(url);
    const location = new URL(redirectUri);
    location.searchParams.set('code', code);
    location.searchParams.set('state', state);
    sendHead(exchange, 302, { location: location.href });
    response.end();
  }

  /** The token endpoint. `text` is the body as received. */
  token(exchange: Exchange, failure: Failure | null, text: string, usual: object): Promise<void> {
    const { entry, request } = exchange;
    return this.answer(
      exchange,
      failure,
      (keepRefresh) =>
        entry.grant === FEDERATION_GRANT
          ? this.federation.grant(jsonOf(text), betasOf(request.headers))
          : this.#grant(text, keepRefresh),
      usual,
    );
  }

  #grant(text: string, keepRefresh: boolean): TokenAnswer {
    const body = jsonOf(text);
    const refresh = refreshSchema.safeParse(body);
    if (refresh.success) {
      const { refresh_token: token } = refresh.data;
      return this.#refreshed(this.book.refresh(token, keepRefresh), this.book.lineageOf(token), keepRefresh);
    }
    const exchange = exchangeSchema.safeParse(body);
    if (exchange.success) return this.#exchanged(exchange.data, keepRefresh);
    return refused('invalid_request', 'Invalid request format');
  }

  #refreshed(result: RefreshOutcome, lineage: string | null, keepRefresh: boolean): TokenAnswer {
    if ('pair' in result)
      return {
        status: 200,
        body: this.#body(result.pair, keepRefresh),
        outcome: result.outcome,
        lineage,
      };
    const { outcome } = result;
    return { ...refused('invalid_grant', 'Refresh token not found or invalid'), outcome, lineage };
  }

  #exchanged(asked: z.output<typeof exchangeSchema>, keepRefresh: boolean): TokenAnswer {
    const known = this.#codes.get(asked.code);
    // Once, whatever comes of it.
    this.#codes.delete(asked.code);
    const challenge = createHash('sha256').update(asked.code_verifier).digest('base64url');
    const isGood =
      known &&
      known.expiresAt > this.clock.now().getTime() &&
      known.asked.state === asked.state &&
      known.asked.client_id === asked.client_id &&
      known.asked.redirect_uri === asked.redirect_uri &&
      known.asked.code_challenge === challenge;
    if (!isGood) return refused('invalid_grant', "Invalid 'code' in request.");
    const pair = this.issue();
    const body = { ...this.#body(pair, keepRefresh), scope: known.asked.scope };
    return { status: 200, body, outcome: 'exchanged', lineage: pair.lineage };
  }

  #body({ accessToken, refreshToken, account }: IssuedPair, withoutRefresh: boolean): object {
    return {
      token_type: 'Bearer',
      access_token: accessToken,
      ...(withoutRefresh ? {} : { refresh_token: refreshToken }),
      expires_in: this.settings.accessSeconds,
      scope: 'user:inference user:profile',
      account: { uuid: account.id, email_address: account.email },
      organization: { uuid: '00000000-0000-4000-8000-000000000001', name: 'Example' },
    };
  }

  #agree(url: URL): { code: string; state: string; redirectUri: string } {
    const asked = authorizeSchema.parse(Object.fromEntries(url.searchParams));
    const code = randomBytes(24).toString('base64url');
    this.#codes.set(code, { asked, expiresAt: this.clock.now().getTime() + CODE_SECONDS * 1000 });
    return { code, state: asked.state, redirectUri: asked.redirect_uri };
  }
}

function refused(error: string, description: string): TokenAnswer {
  return { status: 400, body: { error, error_description: description }, outcome: 'refused', lineage: null };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
