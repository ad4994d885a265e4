import type { Clock } from '../../src/kernel/index.js';

/** What of the provider's behavior a test may change, also while it runs. */
export interface LoginSettings {
  /** How long an access token lives. */
  accessSeconds: number;
  /** When the provider ends the whole login, however often it was refreshed. */
  loginSeconds: number;
  /** For so long a used refresh token is answered with the same successor again. The real ones document none. */
  graceSeconds: number;
}

/** Whose login it is. */
export interface LoginAccount {
  id: string;
  email: string;
  plan: string;
}

/** What one grant gives. */
export interface IssuedPair {
  /** All pairs that came of one sign-in. */
  lineage: string;
  /** From 1; each refresh adds one. */
  generation: number;
  accessToken: string;
  refreshToken: string;
  expiresAt: Date;
  account: LoginAccount;
}

/** Why a token serves or does not: run out, replaced by a refresh, revoked by itself, or its whole login ended. */
export type AccessState = 'living' | 'expired' | 'rotated' | 'revoked' | 'ended';

/** What a refresh came to. `reused`: the token had served before, which ends the login. */
export type RefreshOutcome =
  { outcome: 'renewed' | 'replayed'; pair: IssuedPair } | { outcome: 'reused' | 'ended' | 'unknown' };

/** Writes tokens as the provider does. */
export interface Mint {
  access(account: LoginAccount, expiresAt: Date): string;
  refresh(): string;
}

interface Lineage {
  id: string;
  account: LoginAccount;
  startedAt: Date;
  generation: number;
  isEnded: boolean;
}

interface KnownAccess {
  lineage: Lineage;
  expiresAt: Date;
  gone: 'rotated' | 'revoked' | null;
}

interface KnownRefresh {
  lineage: Lineage;
  used: { at: Date; successor: IssuedPair } | null;
}

/** The logins of one provider: refresh tokens that serve once, and access tokens that die when the next one is made (providers.md 0.1, 0.2, 1.3). */
export class LoginBook {
  readonly #lineages = new Map<string, Lineage>();
  readonly #access = new Map<string, KnownAccess>();
  readonly #refresh = new Map<string, KnownRefresh>();

  constructor(
    private readonly settings: LoginSettings,
    private readonly mint: Mint,
    private readonly clock: Clock,
  ) {}

  begin(account: LoginAccount): IssuedPair {
    const id = `login-${this.#lineages.size + 1}`;
    const lineage = { id, account, startedAt: this.clock.now(), generation: 0, isEnded: false };
    this.#lineages.set(id, lineage);
    return this.#next(lineage, this.mint.refresh());
  }

  /** `keepRefresh`: a new access token alone; the refresh token goes on to serve. */
  refresh(token: string, keepRefresh: boolean): RefreshOutcome {
    const known = this.#refresh.get(token);
    if (!known) return { outcome: 'unknown' };
    const { lineage, used } = known;
    const now = this.clock.now();
    if (secondsFrom(lineage.startedAt, now) >= this.settings.loginSeconds) lineage.isEnded = true;
    if (lineage.isEnded) return { outcome: used ? 'reused' : 'ended' };
    if (used && secondsFrom(used.at, now) < this.settings.graceSeconds)
      return { outcome: 'replayed', pair: used.successor };
    if (used) {
      lineage.isEnded = true;
      return { outcome: 'reused' };
    }
    for (const access of this.#access.values()) if (access.lineage === lineage) access.gone ??= 'rotated';
    const pair = this.#next(lineage, keepRefresh ? token : this.mint.refresh());
    if (!keepRefresh) known.used = { at: now, successor: pair };
    return { outcome: 'renewed', pair };
  }

  /** Null for a token that was never given. */
  stateOf(accessToken: string): { state: AccessState; lineage: string; account: LoginAccount } | null {
    const known = this.#access.get(accessToken);
    if (!known) return null;
    const { lineage, expiresAt, gone } = known;
    const state = lineage.isEnded
      ? 'ended'
      : (gone ?? (expiresAt.getTime() <= this.clock.now().getTime() ? 'expired' : 'living'));
    return { state, lineage: lineage.id, account: lineage.account };
  }

  /** Whose refresh token it is; null when it was never given. */
  lineageOf(refreshToken: string): string | null {
    return this.#refresh.get(refreshToken)?.lineage.id ?? null;
  }

  /** Every token that a login ever had, to look for them. */
  tokensOf(lineage: string): string[] {
    const of = (known: Map<string, { lineage: Lineage }>): string[] =>
      [...known].filter(([, each]) => each.lineage.id === lineage).map(([token]) => token);
    return [...of(this.#access), ...of(this.#refresh)];
  }

  /** One access token, before its time; its refresh token goes on to serve. */
  revoke(accessToken: string): void {
    const known = this.#access.get(accessToken);
    if (known) known.gone ??= 'revoked';
  }

  /** The access token that lives now, of each login or of one. */
  revokeLiving(lineage?: string): void {
    for (const known of this.#access.values())
      if (lineage === undefined || known.lineage.id === lineage) known.gone ??= 'revoked';
  }

  end(lineage?: string): void {
    for (const each of this.#lineages.values())
      if (lineage === undefined || each.id === lineage) each.isEnded = true;
  }

  get lineages(): { id: string; generation: number; isEnded: boolean; living: number }[] {
    return [...this.#lineages.values()].map(({ id, generation, isEnded }) => ({
      id,
      generation,
      isEnded,
      living: [...this.#access].filter(([token, { lineage }]) => lineage.id === id && this.#lives(token))
        .length,
    }));
  }

  #lives(token: string): boolean {
    return this.stateOf(token)?.state === 'living';
  }

  #next(lineage: Lineage, refreshToken: string): IssuedPair {
    lineage.generation += 1;
    const { account, generation } = lineage;
    const expiresAt = new Date(this.clock.now().getTime() + this.settings.accessSeconds * 1000);
    const accessToken = this.mint.access(account, expiresAt);
    this.#access.set(accessToken, { lineage, expiresAt, gone: null });
    this.#refresh.set(refreshToken, { lineage, used: null });
    return { lineage: lineage.id, generation, accessToken, refreshToken, expiresAt, account };
  }
}

const secondsFrom = (start: Date, now: Date): number => (now.getTime() - start.getTime()) / 1000;
