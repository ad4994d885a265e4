import type { CredentialSource } from '../../config/proxy-alone.js';
import type { Clock } from '../../kernel/index.js';
import { exchangeAssertion } from '../../oauth/index.js';
import { assert } from './assertions.js';
import type { Obtained } from './identity.js';

type Settings = Extract<CredentialSource, { from: 'identity' }>;

/** A token of Anthropic for the identity of this proxy (providers.md 2.1). */
export async function obtainFromAnthropic(
  { assertion: settings, tokenUrl, target }: Settings,
  clock: Clock,
): Promise<Obtained> {
  const asserted = await assert(settings);
  if (!('assertion' in asserted)) return asserted;
  const exchanged = await exchangeAssertion(tokenUrl, target, asserted.assertion, clock);
  switch (exchanged.outcome) {
    case 'exchanged':
      return { outcome: 'obtained', token: exchanged.token, expiresAt: exchanged.expiresAt };
    case 'denied':
      // Every denial reads the same; the reason stands at Anthropic alone (providers.md 2.4).
      return {
        outcome: 'denied',
        reason: `Anthropic denied the identity of this proxy, and says why only in its Console, in the authentication history. Compare rule ${target.ruleId} with the issuer, audience and subject of the token`,
      };
    case 'malformed':
      return { outcome: 'denied', reason: exchanged.reason };
    case 'failed':
      return exchanged;
  }
}
