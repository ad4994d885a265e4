import { randomBytes } from 'node:crypto';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { sendHalf, sendHead, sendJson, playFailure } from './answers.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import { Gate } from './gate.js';
import { LoginBook, type IssuedPair, type LoginSettings, type Mint } from './login-book.js';

/** What a token endpoint says, and what it did. */
export interface TokenAnswer {
  status: number;
  body: object;
  outcome: LoginOutcome;
  lineage: string | null;
}

/** `asked`: a step of a login that gives no token yet. `refused`: the grant made no sense. `failed`: a failure was played, and nothing was done. */
export type LoginOutcome =
  'renewed' | 'replayed' | 'reused' | 'ended' | 'unknown' | 'exchanged' | 'asked' | 'refused' | 'failed';

/** One call of a token endpoint: by these lines tests count. */
export interface LoginCall {
  at: string;
  grant: string;
  /** Which login; null where that cannot be said. */
  lineage: string | null;
  outcome: LoginOutcome;
  /** Whether the whole answer left for the client. */
  isDelivered: boolean;
}

/** Whether to give the old refresh token back, which then goes on to serve. */
export type Effect = (keepRefresh: boolean) => TokenAnswer | Promise<TokenAnswer>;

const HUGE_BYTES = 10 * 1024 * 1024;

/** What the token endpoints of both providers share: the book of logins, the ledger of calls, and failures around the moment in which a call takes effect. */
export class Logins {
  readonly settings: LoginSettings;
  readonly book: LoginBook;
  readonly #gate = new Gate();
  protected readonly clock: Clock;
  #calls: LoginCall[] = [];

  constructor(mint: Mint, settings: LoginSettings, clock: Clock = systemClock) {
    this.clock = clock;
    this.settings = { ...settings };
    this.book = new LoginBook(this.settings, mint, clock);
  }

  /** A pair, as though somebody had signed in: for imports. */
  issue(email = 'ada@example.com'): IssuedPair {
    return this.book.begin({ id: `account-${randomBytes(6).toString('hex')}`, email, plan: 'max' });
  }

  /** One access token, before its time. */
  revoke(accessToken: string): void {
    this.book.revoke(accessToken);
  }

  configure(settings: Partial<LoginSettings>): void {
    Object.assign(this.settings, settings);
  }

  /** All calls since the start or the last `reset()`. */
  get calls(): readonly LoginCall[] {
    return this.#calls;
  }

  /** How many calls came to this. */
  count(outcome: LoginOutcome): number {
    return this.#calls.filter((call) => call.outcome === outcome).length;
  }

  /** How many calls are held now (`hold-before`, `hold-after`). */
  get held(): number {
    return this.#gate.waiting;
  }

  /** Lets held calls go on. */
  release(count = 1): void {
    this.#gate.release(count);
  }

  /** Forgets calls and unused releases; logins and settings stay. */
  reset(): void {
    this.#calls = [];
    this.#gate.clear();
  }

  /** Answers one call of a token endpoint, with the failure that it is to meet. */
  async answer(exchange: Exchange, failure: Failure | null, effect: Effect, usual: object): Promise<void> {
    const call: LoginCall = {
      at: this.clock.now().toISOString(),
      grant: exchange.entry.grant ?? '',
      lineage: null,
      outcome: 'failed',
      isDelivered: false,
    };
    this.#calls.push(call);
    if (failure && playFailure(exchange, failure, usual)) return;
    if (failure?.mode === 'hold-before') await this.#gate.next(exchange.signal);
    const { status, body, outcome, lineage } = await effect(failure?.mode === 'no-refresh-token');
    Object.assign(call, { outcome, lineage });
    exchange.response.once('finish', () => (call.isDelivered = true));
    await this.#send(exchange, failure, status, body);
  }

  async #send(exchange: Exchange, failure: Failure | null, status: number, body: object): Promise<void> {
    switch (failure?.mode) {
      case 'lost-answer':
        exchange.request.socket.resetAndDestroy();
        return;
      case 'cut-mid-stream':
        return sendHalf(exchange, 'application/json', JSON.stringify(body));
      case 'garbage':
        sendHead(exchange, 200, { 'content-type': 'application/json' });
        exchange.response.end('{"access_token": "sk-ant-');
        return;
      case 'huge':
        sendHead(exchange, 200, { 'content-type': 'application/json' });
        exchange.response.end(JSON.stringify({ ...body, padding: 'x'.repeat(HUGE_BYTES) }));
        return;
      case 'hold-after':
        await this.#gate.next(exchange.signal);
        break;
      default:
    }
    sendJson(exchange, status, body, { 'cache-control': 'no-store' });
  }
}
