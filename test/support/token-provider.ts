import { randomUUID } from 'node:crypto';
import type { Renewal, RenewalRequest, TokenSource } from '../../src/credentials/providers/token-source.js';
import type { TestApp } from './app.js';
import { TokenSources } from '../../src/credentials/providers/token-source.js';
import type { Kind } from '../../src/contracts/index.js';

/** One call to the provider, as its own books have it. */
export interface ProviderCall {
  refreshToken: string;
  /** Whether it counted: the refresh token was the living one. */
  isGood: boolean;
}

/**
 * A provider of logins with books of its own: refresh tokens are good once, and one that is used again ends its login, as the real ones do (providers.md 0.1). What a test asks for happens to
 * the next calls, one each.
 */
export class TokenProvider implements TokenSource {
  readonly calls: ProviderCall[] = [];
  /** The living refresh token of each login, and the access token that goes with it; none: the login is over. */
  readonly #logins = new Map<string, { refreshToken: string; accessToken: string } | null>();
  readonly #loginOf = new Map<string, string>();
  readonly #next: ((call: () => Renewal) => Promise<Renewal> | Renewal)[] = [];

  constructor(
    readonly graceSeconds = 0,
    private readonly lifeSeconds = 3600,
    private readonly now: () => Date = () => new Date(),
  ) {}

  /** What `PUT …/claude_oauth` takes, of a new login. */
  newLogin(lifeSeconds = this.lifeSeconds): { accessToken: string; refreshToken: string; expiresAt: string } {
    const tokens = this.#issue(randomUUID());
    return { ...tokens, expiresAt: this.#end(lifeSeconds).toISOString() };
  }

  /** Does this with the next call instead of answering it; `answer` is what the provider would do. */
  next(...then: ((answer: () => Renewal) => Promise<Renewal> | Renewal)[]): void {
    this.#next.push(...then);
  }

  /** Holds the next call until the answer is called. `arrived` comes when it is there. */
  hold(): { arrived: Promise<void>; release: () => void } {
    let release = (): void => undefined;
    let arrive = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    this.next(async (answer) => {
      arrive();
      await released;
      return answer();
    });
    return { arrived, release };
  }

  /** True for the access token of a login that lives. */
  honours(accessToken: string): boolean {
    return [...this.#logins.values()].some((login) => login?.accessToken === accessToken);
  }

  /** Calls that used a refresh token which was used up. */
  get secondUses(): number {
    return this.calls.filter(({ isGood }) => !isGood).length;
  }

  /** How many logins it ended because a refresh token came again. */
  get ended(): number {
    return [...this.#logins.values()].filter((login) => login === null).length;
  }

  async renew({ secret }: RenewalRequest): Promise<Renewal> {
    const refreshToken = secret.refreshToken ?? '';
    const act = this.#next.shift();
    return act ? act(() => this.#answer(refreshToken)) : this.#answer(refreshToken);
  }

  #answer(refreshToken: string): Renewal {
    const name = this.#loginOf.get(refreshToken) ?? '';
    const isGood = this.#logins.get(name)?.refreshToken === refreshToken;
    this.calls.push({ refreshToken, isGood });
    if (!isGood) {
      this.#logins.set(name, null);
      return { outcome: 'rejected', reason: 'Refresh token not found or invalid' };
    }
    const tokens = this.#issue(name);
    const hint = `${tokens.accessToken.slice(0, 13)}…${tokens.accessToken.slice(-4)}`;
    return { outcome: 'renewed', renewed: { secret: tokens, hint, expiresAt: this.#end(this.lifeSeconds) } };
  }

  #issue(name: string): { accessToken: string; refreshToken: string } {
    const word = (): string => randomUUID().replaceAll('-', '');
    const tokens = {
      accessToken: `sk-ant-oat01-${word()}${word()}`,
      refreshToken: `sk-ant-ort01-${word()}${word()}`,
    };
    this.#logins.set(name, tokens);
    this.#loginOf.set(tokens.refreshToken, name);
    return tokens;
  }

  #end(seconds: number): Date {
    return new Date(this.now().getTime() + seconds * 1000);
  }
}

/** Has an app get its tokens there. */
export function getTokensFrom(app: TestApp, provider: TokenSource, kind: Kind = 'claude_oauth'): void {
  app.app.get(TokenSources, { strict: false }).add(kind, provider);
}
