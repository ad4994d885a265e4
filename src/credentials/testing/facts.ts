import type { Kind, Scope } from '../../contracts/index.js';
import type { TokenState } from '../../oauth/index.js';
import type { CredentialFacts, Policy, SubscriptionPolicy } from '../resolution.js';

/** Credentials as resolution sees them, for its tests. */

export const NOW = new Date('2026-06-01T12:00:00.000Z');
export const [PAST, FUTURE] = [new Date(NOW.getTime() - 1000), new Date(NOW.getTime() + 1000)];

/** A stored credential, named by its scope and kind: `user/anthropic_api_key`. */
export function stored(name: string, more: Partial<CredentialFacts> = {}): CredentialFacts {
  const [scope, kind] = name.split('/') as [Scope, Kind];
  return {
    id: name,
    scope,
    kind,
    status: 'active',
    expiresAt: null,
    limitedUntil: null,
    lastError: null,
    fallback:
      kind === 'anthropic_api_key' || kind === 'openai_api_key' || kind === 'aws_bedrock' ? true : null,
    token: null,
    unobtainable: null,
    ...more,
  };
}

/** A login whose token is like this. */
export const login = (
  name: string,
  token: Partial<TokenState>,
  more: Partial<CredentialFacts> = {},
): CredentialFacts =>
  stored(name, {
    token: {
      generation: 3,
      expiresAt: new Date(NOW.getTime() + 3_600_000),
      renewAt: new Date(NOW.getTime() + 1_800_000),
      refusedGeneration: null,
      forcedGeneration: null,
      failures: 0,
      retryAt: null,
      ...token,
    },
    ...more,
  });
export const runOut = { expiresAt: PAST, renewAt: PAST };
export const minutesFrom = (count: number): Date => new Date(NOW.getTime() + count * 60_000);

export const policyOf = (subscriptions: SubscriptionPolicy, organizationFallback = true): Policy => ({
  subscriptions,
  organizationFallback,
});
