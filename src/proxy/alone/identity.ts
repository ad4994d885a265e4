import type { LeaseSecret } from '../../contracts/proxy.js';
import type { Log } from '../../kernel/index.js';
import { dueAt, isPausing, reasonToRenew, retryAfter, serves, type TokenState } from '../../oauth/index.js';
import type { Time } from './time.js';

/** Not for the moment. */
export interface Failed {
  outcome: 'failed';
  reason: string;
  retryAfterSeconds: number | null;
}

/** What came of asking for a token, or a key that is one for a while. `denied`: nobody but a person can mend it. The reasons hold nothing that was sent or answered in secret. */
export type Obtained =
  | { outcome: 'obtained'; lend: () => LeaseSecret; expiresAt: Date }
  | { outcome: 'denied'; reason: string }
  | Failed;

/** A token, or why there is none: not yet (`retryAfterSeconds`), or not before somebody mends something. */
export type Available =
  | { lend: () => LeaseSecret; generation: number; expiresAt: Date }
  | { denied: string }
  | { retryAfterSeconds: number };

export interface IdentityOptions {
  /** Gets a new token. Never rejects. */
  obtain: () => Promise<Obtained>;
  /** There is a token of this generation now. */
  renewed: (generation: number) => void;
  /** One call is over, after so many seconds. */
  measured: (outcome: Obtained['outcome'], seconds: number) => void;
  time: Time;
  log: Log;
}

/** The pauses after denials grow to five minutes and no more: what was mended in a Console is to be found. */
const MAX_DENIALS_COUNTED = 3;
/** A next try that is no further away is waited for: who asks then is served as soon as there is a token. */
const PATIENCE_MS = 20_000;
/** No wait is longer: a clock may be set, and timers of months overflow. */
const LONGEST_SLEEP_MS = 3_600_000;

/**
 * A short-lived token that is always renewed in time: when most of its life is over, at once when upstream refuses it, and after a failure again and again, however long it lasts. One call at a time.
 * What serves goes on to serve while a newer one cannot be had.
 */
export class Identity {
  #state: TokenState = {
    generation: 0,
    expiresAt: null,
    renewAt: null,
    refusedGeneration: null,
    forcedGeneration: null,
    failures: 0,
    retryAt: null,
  };
  #lend: (() => LeaseSecret) | null = null;
  #denied: string | null = null;
  #trouble: string | null = null;
  /** Tokens in a row that upstream refused without having taken one. */
  #refusals = 0;
  /** What the other side said it wants to be left alone for. */
  #notBefore: Date | null = null;
  #flight: Promise<void> | null = null;
  readonly #waiters: (() => void)[] = [];
  #cancel: () => void = () => undefined;
  #isClosed = false;

  constructor(private readonly options: IdentityOptions) {}

  /** Gets the first token, and from then on the next ones. */
  start(): void {
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#release();
  }

  /** Why there is no token that serves; null when there is one. */
  get trouble(): string | null {
    if (this.#lend && serves(this.#state, this.#now())) return null;
    return this.#trouble ?? 'No token has been obtained yet';
  }

  /** The token to use now. Waits for the next one when there is none that serves, and it is on its way or tried for soon. */
  async get(): Promise<Available> {
    if (this.#isDue()) this.#renew();
    if (!serves(this.#state, this.#now()) && (this.#flight || this.#isNear())) await this.#nextEnd();
    return this.#available();
  }

  /** Upstream refused this generation. Of the newest one there is a next one at once, unless that was refused too: then after a pause. */
  refused(generation: number): void {
    const state = this.#state;
    if (generation !== state.generation || state.refusedGeneration === generation) return;
    state.refusedGeneration = generation;
    this.#refusals += 1;
    this.options.log.warn({ generation }, 'upstream refused the token');
    // Nothing serves now, so that what failed before and was put off for long is tried sooner; one that is refused again and again is not got again and again.
    const tries = Math.max(state.failures, this.#refusals - 1);
    if (tries > 0) this.#pause(true, tries, null);
    if (state.retryAt && this.#notBefore && this.#notBefore > state.retryAt) state.retryAt = this.#notBefore;
    this.#wake();
  }

  /** Upstream took this generation. */
  served(generation: number): void {
    if (generation === this.#state.generation) this.#refusals = 0;
  }

  #available(): Available {
    const now = this.#now();
    const { generation, expiresAt, retryAt } = this.#state;
    if (this.#lend && expiresAt && serves(this.#state, now)) {
      return { lend: this.#lend, generation, expiresAt };
    }
    if (this.#denied !== null) return { denied: this.#denied };
    const milliseconds = retryAt ? retryAt.getTime() - now.getTime() : 0;
    return { retryAfterSeconds: Math.max(1, Math.ceil(milliseconds / 1000)) };
  }

  #isDue(): boolean {
    const now = this.#now();
    return reasonToRenew(this.#state, now) !== null && !isPausing(this.#state, now);
  }

  /** Whether the pause that is on now is over soon. Of a denial nobody waits for the end. */
  #isNear(): boolean {
    const { retryAt } = this.#state;
    if (this.#denied !== null || retryAt === null) return false;
    return retryAt.getTime() - this.#now().getTime() <= PATIENCE_MS;
  }

  /** Ends with the call that is under way, or the next one. */
  #nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #renew(): void {
    this.#flight ??= this.#obtain().finally(() => {
      this.#flight = null;
      this.#release();
      this.#wake();
    });
  }

  #release(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async #obtain(): Promise<void> {
    const { obtain, measured, log } = this.options;
    const begun = this.#now();
    const obtained = await obtain();
    const seconds = (this.#now().getTime() - begun.getTime()) / 1000;
    measured(obtained.outcome, seconds);
    if (this.#isClosed) return;
    if (obtained.outcome === 'obtained') {
      this.#take(obtained);
      return;
    }
    const { reason } = obtained;
    const isDenial = obtained.outcome === 'denied';
    this.#state.failures += 1;
    this.#denied = isDenial ? reason : null;
    this.#trouble = reason;
    const urgent = !isDenial && !serves(this.#state, this.#now());
    const failures = isDenial ? Math.min(this.#state.failures, MAX_DENIALS_COUNTED) : this.#state.failures;
    const saidSeconds = isDenial ? null : obtained.retryAfterSeconds;
    this.#pause(urgent, failures, saidSeconds);
    this.#notBefore = saidSeconds === null ? null : this.#state.retryAt;
    log.warn({ reason, retryAt: this.#state.retryAt }, 'no new token');
  }

  #take({ lend, expiresAt }: Extract<Obtained, { outcome: 'obtained' }>): void {
    const { time, log, renewed } = this.options;
    const generation = this.#state.generation + 1;
    const renewAt = dueAt(time.now(), expiresAt, time.random());
    this.#lend = lend;
    this.#denied = null;
    this.#trouble = null;
    this.#notBefore = null;
    this.#state = {
      generation,
      expiresAt,
      renewAt,
      refusedGeneration: null,
      forcedGeneration: null,
      failures: 0,
      retryAt: null,
    };
    log.info({ generation, expiresAt, renewAt }, 'new token');
    renewed(generation);
  }

  #pause(urgent: boolean, failures: number, saidSeconds: number | null): void {
    const { expiresAt } = this.#state;
    const failure = { failures, urgent, saidSeconds, expiresAt };
    this.#state.retryAt = retryAfter(this.#now(), failure, this.options.time.random());
  }

  /** Sleeps until something is due: the next renewal, or the next try. */
  #wake(): void {
    this.#cancel();
    if (this.#isClosed || this.#flight) return;
    if (this.#isDue()) {
      this.#renew();
      return;
    }
    const now = this.#now();
    const { renewAt, retryAt } = this.#state;
    const next = isPausing(this.#state, now) ? retryAt : renewAt;
    const milliseconds = next ? next.getTime() - now.getTime() : LONGEST_SLEEP_MS;
    const sleep = Math.min(Math.max(milliseconds, 1), LONGEST_SLEEP_MS);
    this.#cancel = this.options.time.after(sleep, () => this.#wake());
  }

  #now(): Date {
    return this.options.time.now();
  }
}
