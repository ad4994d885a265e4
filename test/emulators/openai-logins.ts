import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { sendHead } from './answers.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import type { AccessState, IssuedPair, LoginAccount, LoginSettings, RefreshOutcome } from './login-book.js';
import { Logins, type TokenAnswer } from './logins.js';
import type { OpenaiError } from './openai-input.js';

const DEVICE_SECONDS = 900;
/** Exactly ten days in three samples (providers.md 4.3). */
const SETTINGS: LoginSettings = {
  accessSeconds: 864_000,
  loginSeconds: 365 * 24 * 3600,
  graceSeconds: 0,
};

const refreshSchema = z.strictObject({
  client_id: z.string().min(1),
  grant_type: z.literal('refresh_token'),
  refresh_token: z.string(),
});
const exchangeSchema = z.strictObject({
  grant_type: z.literal('authorization_code'),
  code: z.string(),
  redirect_uri: z.string(),
  client_id: z.string(),
  code_verifier: z.string(),
});
const beginSchema = z.strictObject({ client_id: z.string().min(1) });
const pollSchema = z.strictObject({ device_auth_id: z.string(), user_code: z.string() });

interface Device {
  id: string;
  userCode: string;
  clientId: string;
  expiresAt: number;
  /** Once the person typed the code. */
  approval: { code: string; verifier: string; isSpent: boolean } | null;
}

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** In the shape of a signed JWT; nobody outside can check the signature, and Berth does not. */
function jwt(claims: object): string {
  return `${base64({ alg: 'RS256', typ: 'JWT' })}.${base64(claims)}.${randomBytes(32).toString('base64url')}`;
}

const claimsOf = ({ id, email, plan }: LoginAccount): object => ({
  email,
  'https://api.openai.com/auth': { chatgpt_account_id: id, chatgpt_plan_type: plan, user_id: `user-${id}` },
});

const mint = {
  access: (account: LoginAccount, expiresAt: Date): string =>
    jwt({ ...claimsOf(account), exp: Math.floor(expiresAt.getTime() / 1000) }),
  refresh: (): string => `rt_${randomBytes(48).toString('base64url')}`,
};

/** ChatGPT's login: codes typed at a page, and the token endpoint (providers.md 4.1 to 4.3). */
export class OpenaiLogins extends Logins {
  readonly #devices = new Map<string, Device>();
  /** Off: the first call is a 404, as for accounts that did not enable it. */
  isDeviceLoginOn = true;
  intervalSeconds = 5;
  /** What a code that nobody typed yet is answered with; both were seen. */
  pendingStatus: 403 | 404 = 403;

  constructor(clock: Clock = systemClock) {
    super(mint, SETTINGS, clock);
  }

  /** The person types the code at the provider's page. False for a code that is none, or is over. */
  approve(userCode: string): boolean {
    const device = [...this.#devices.values()].find((each) => each.userCode === userCode);
    if (!device || device.expiresAt <= this.clock.now().getTime()) return false;
    device.approval ??= {
      code: randomBytes(24).toString('base64url'),
      verifier: randomBytes(32).toString('base64url'),
      isSpent: false,
    };
    return true;
  }

  /** Answers one of the login's paths; false for any other. */
  async serve(
    exchange: Exchange,
    failure: () => Failure | null,
    text: string,
    usual: object,
  ): Promise<boolean> {
    const { method, path } = exchange.entry;
    switch (`${method} ${path}`) {
      case 'POST /oauth/token':
        await this.answer(exchange, failure(), (keep) => this.#grant(exchange, text, keep), usual);
        return true;
      case 'POST /api/accounts/deviceauth/usercode':
        await this.answer(exchange, failure(), () => this.#begin(text), usual);
        return true;
      case 'POST /api/accounts/deviceauth/token':
        await this.answer(exchange, failure(), () => this.#poll(text), usual);
        return true;
      case 'GET /codex/device':
        this.#page(exchange);
        return true;
      default:
        return false;
    }
  }

  /** Why a token does not serve; null when it does. */
  refusal(state: AccessState): OpenaiError | null {
    const unauthorized = { status: 401, type: 'invalid_request_error', param: null };
    switch (state) {
      case 'living':
        return null;
      case 'expired':
        return {
          ...unauthorized,
          code: 'token_expired',
          message: 'Provided authentication token is expired. Please try signing in again.',
        };
      case 'revoked':
      case 'rotated':
      case 'ended':
        return {
          ...unauthorized,
          code: 'token_revoked',
          message: 'Your authentication token has been revoked.',
        };
    }
  }

  #begin(text: string): TokenAnswer {
    const asked = beginSchema.safeParse(jsonOf(text));
    if (!this.isDeviceLoginOn) return said(404, { detail: 'Not Found' });
    if (!asked.success) return said(400, { detail: 'Bad Request' });
    const device: Device = {
      id: `deviceauth_${randomBytes(16).toString('hex')}`,
      userCode: userCode(),
      clientId: asked.data.client_id,
      expiresAt: this.clock.now().getTime() + DEVICE_SECONDS * 1000,
      approval: null,
    };
    this.#devices.set(device.id, device);
    return said(200, {
      device_auth_id: device.id,
      user_code: device.userCode,
      // A text, as the real one sends it.
      interval: String(this.intervalSeconds),
    });
  }

  #poll(text: string): TokenAnswer {
    const asked = pollSchema.safeParse(jsonOf(text));
    const device = asked.success ? this.#devices.get(asked.data.device_auth_id) : undefined;
    if (
      !device ||
      device.userCode !== asked.data?.user_code ||
      device.expiresAt <= this.clock.now().getTime()
    )
      return said(404, { detail: 'Not Found' });
    const { approval } = device;
    if (!approval) return said(this.pendingStatus, { detail: 'authorization pending' });
    return said(200, {
      authorization_code: approval.code,
      code_verifier: approval.verifier,
      code_challenge: challengeOf(approval.verifier),
    });
  }

  #grant({ request }: Exchange, text: string, keepRefresh: boolean): TokenAnswer {
    const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
    // JSON for a refresh and a form for an exchange, and neither the other way.
    if (isForm) {
      const asked = exchangeSchema.safeParse(Object.fromEntries(new URLSearchParams(text)));
      return asked.success ? this.#exchanged(asked.data, keepRefresh) : refusedWith(400, 'invalid_request');
    }
    const asked = refreshSchema.safeParse(jsonOf(text));
    if (!asked.success) return refusedWith(400, 'invalid_request');
    const { refresh_token: token } = asked.data;
    return this.#refreshed(this.book.refresh(token, keepRefresh), this.book.lineageOf(token), keepRefresh);
  }

  #refreshed(result: RefreshOutcome, lineage: string | null, keepRefresh: boolean): TokenAnswer {
    if ('pair' in result)
      return { status: 200, body: tokensOf(result.pair, keepRefresh), outcome: result.outcome, lineage };
    const { outcome } = result;
    const [status, code] = REFUSALS[outcome];
    return { ...refusedWith(status, code), outcome, lineage };
  }

  #exchanged(asked: z.output<typeof exchangeSchema>, keepRefresh: boolean): TokenAnswer {
    const device = [...this.#devices.values()].find(({ approval }) => approval?.code === asked.code);
    const isGood =
      device?.approval &&
      !device.approval.isSpent &&
      device.clientId === asked.client_id &&
      device.approval.verifier === asked.code_verifier &&
      asked.redirect_uri.endsWith('/deviceauth/callback');
    if (!isGood || !device.approval) return refusedWith(400, 'invalid_grant');
    device.approval.isSpent = true;
    const pair = this.issue();
    return { status: 200, body: tokensOf(pair, keepRefresh), outcome: 'exchanged', lineage: pair.lineage };
  }

  /** Where a person types the code; here the link may bring it. */
  #page(exchange: Exchange): void {
    const given = new URL(exchange.request.url ?? '', 'http://emulator').searchParams.get('user_code');
    const answer = given === null ? '' : this.approve(given.trim()) ? 'Connected.' : 'No such code.';
    sendHead(exchange, 200, { 'content-type': 'text/html' });
    exchange.response.end(`<p>${answer}</p><form><input name="user_code"><button>Go on</button></form>\n`);
  }
}

const REFUSALS = {
  reused: [401, 'refresh_token_reused'],
  ended: [401, 'refresh_token_invalidated'],
  unknown: [400, 'invalid_refresh_token_ciphertext_integrity'],
} as const;

const MESSAGES: Record<string, string> = {
  refresh_token_reused:
    'Your refresh token has already been used to generate a new access token. Please try signing in again.',
  refresh_token_invalidated: 'Your refresh token has been invalidated. Please try signing in again.',
};

function refusedWith(status: number, code: string): TokenAnswer {
  const message = MESSAGES[code] ?? 'Could not validate your request.';
  const body = { error: { message, type: 'invalid_request_error', param: null, code } };
  return { status, body, outcome: 'refused', lineage: null };
}

/** An answer before there is a login. */
function said(status: number, body: object): TokenAnswer {
  return { status, body, outcome: 'asked', lineage: null };
}

function tokensOf(
  { accessToken, refreshToken, account, expiresAt }: IssuedPair,
  withoutRefresh: boolean,
): object {
  return {
    id_token: jwt({ ...claimsOf(account), exp: Math.floor(expiresAt.getTime() / 1000) }),
    access_token: accessToken,
    ...(withoutRefresh ? {} : { refresh_token: refreshToken }),
  };
}

const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

function userCode(): string {
  const letters = randomBytes(9).toString('hex').toUpperCase();
  return `${letters.slice(0, 4)}-${letters.slice(4, 9)}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
