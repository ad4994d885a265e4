import type { IdentityOf } from '../../config/proxy-alone.js';
import { Secret, type Clock } from '../../kernel/index.js';
import { exchangeAssertion } from '../../oauth/index.js';
import type { Obtained } from './identity.js';

/** A token of Anthropic's workload identity federation (providers.md 2.1). */
export async function obtainFromAnthropic(
  { tokenUrl, target }: IdentityOf<'anthropic'>,
  assertion: string,
  clock: Clock,
): Promise<Obtained> {
  const exchanged = await exchangeAssertion(tokenUrl, target, assertion, clock);
  switch (exchanged.outcome) {
    case 'exchanged': {
      const token = new Secret(exchanged.token);
      const lend = () => ({ kind: 'anthropic_wif' as const, token: token.reveal() });
      return { outcome: 'obtained', lend, expiresAt: exchanged.expiresAt };
    }
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
