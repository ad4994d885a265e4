import type { z } from 'zod';
import type { Agent, LeaseSecret } from '../contracts/index.js';

/** What setting a credential leaves: the secret part, which is sealed, and what may be shown. */
export interface ParsedCredential {
  secret: Record<string, string>;
  hint: string;
  settings: CredentialSettings;
  /** When the token runs out; null for what does not, or nobody knows. */
  expiresAt: Date | null;
}

/** What of a credential is no secret and not a column. */
export interface CredentialSettings {
  fallback?: boolean;
  region?: string;
  account?: { email: string | null; plan: string | null };
  federation?: Federation;
  /** Of a git token: the only host that it is for. */
  host?: string;
  /** Of an installation of the App at GitHub: its id there. */
  installation?: string;
}

/** Workload identity at Anthropic: which rule of theirs is asked for which account (providers.md 2.1). */
export interface Federation {
  ruleId: string;
  organizationId: string;
  serviceAccountId: string;
  workspaceId: string | null;
  /** Who says that it is this organization: Berth as issuer, or the cluster's projected token. */
  identity: 'berth' | 'kubernetes';
}

/** Whom a credential serves: an agent's model calls, or git. */
export type Served = Agent | 'git';

export interface KindDefinition {
  /** Null: Berth itself (`AppTokens`), and no workspace. */
  serves: Served | null;
  /** Name for people. */
  title: string;
  /** A provider's subscription: whether it may be connected is the instance owner's decision (BERTH_SUBSCRIPTION_OAUTH). */
  subscription: boolean;
  input: z.ZodType<ParsedCredential>;
  /** Whether its tokens run out and are renewed: `login` with a refresh token, `minted` for each workspace by what vouches for it; null: it is as it is. */
  renewal: 'login' | 'minted' | null;
  /** After so many days the provider ends the login, however often it was refreshed. */
  loginDays: number | null;
  /** What the proxy puts on a request, or signs it with. */
  lease: (secret: Record<string, string>, settings: CredentialSettings) => LeaseSecret;
}
