import type { Kind } from '../../contracts/index.js';
import { BerthError } from '../../kernel/index.js';
import type { CredentialSettings } from '../kinds.js';

/** What is renewed: a login by its refresh token, or the token of one workspace by what vouches for it. */
export interface RenewalRequest {
  organizationId: string;
  /** The workspace whose token it is; null where one token serves all. */
  workspaceId: string | null;
  /** The parts that are sealed now. */
  secret: Record<string, string>;
  settings: CredentialSettings;
}

/** The parts that take the place of the old ones, whole: what the provider left out of its answer is carried over. */
export interface Renewed {
  secret: Record<string, string>;
  hint: string;
  expiresAt: Date | null;
  account?: CredentialSettings['account'];
}

/**
 * What came of asking a provider for newer tokens. The reasons are for people, and hold nothing of what was sent or answered but the provider's short words.
 * - `renewed`: there are new tokens, and the old refresh token is spent.
 * - `rejected`: the provider ended the login; only a person can mend it.
 * - `failed`: surely not carried out (never sent, or refused for the moment); may be asked again.
 * - `unknown`: sent, and no answer that can be read came back. Whether the refresh token is spent nobody knows.
 */
export type Renewal =
  | { outcome: 'renewed'; renewed: Renewed }
  | { outcome: 'rejected'; reason: string }
  | { outcome: 'failed'; reason: string; retryAfterSeconds: number | null }
  | { outcome: 'unknown'; reason: string };

/** Where the tokens of one kind come from: one file per provider. It never throws for what a provider does, and takes as long as the provider does (bounded at 180 s and more). */
export interface TokenSource {
  /** For how long after a call whose answer was lost the provider answers the same call again; 0: it does not say that it does. */
  readonly graceSeconds: number;
  /** Why no tokens can be got with these settings, as in "has an identity that …"; null when they can. Absent: they always can. */
  obstacle?(settings: CredentialSettings): string | null;
  renew(request: RenewalRequest): Promise<Renewal>;
  /** These are not kept, since the generation they were to follow was over when they came: what can be ended is. Absent: they run out. Never throws. */
  unused?(request: RenewalRequest, secret: Renewed['secret']): Promise<void>;
}

/** The sources by kind. Rooms and files add theirs when they are made. */
export class TokenSources {
  readonly #sources = new Map<Kind, TokenSource>();

  add(kind: Kind, source: TokenSource): void {
    this.#sources.set(kind, source);
  }

  has(kind: Kind): boolean {
    return this.#sources.has(kind);
  }

  /** Why no tokens of this kind can be got with these settings; null when they can. */
  obstacle(kind: Kind, settings: CredentialSettings): string | null {
    const source = this.#sources.get(kind);
    if (!source) return 'stored, but this version of Berth cannot get tokens for it yet';
    return source.obstacle?.(settings) ?? null;
  }

  /** Throws `internal` for a kind that is never renewed. */
  of(kind: Kind): TokenSource {
    const source = this.#sources.get(kind);
    if (!source) throw new BerthError('internal', `Nobody renews credentials of the kind ${kind}.`);
    return source;
  }
}
