import { EXCHANGE_LIMITS, exchangeAssertion, type Exchanged, type PostLimits } from '../../oauth/index.js';
import { BerthError, hintOf, type Clock } from '../../kernel/index.js';
import { subjectOf } from '../issuer/assertion.js';
import type { Federation } from '../kinds.js';
import type { FederationSettings } from './federation.js';
import type { Renewal, RenewalRequest, TokenSource } from './token-source.js';

/** What vouches for a workspace. */
export interface Asserts {
  /** Throws `not-ready` in a process that does not know it. */
  readonly url: string;
  assert(workspace: { organizationId: string; workspaceId: string }): Promise<string>;
}

/** Tokens by workload identity: Berth says, signed, which workspace it is, and a federation rule at Anthropic gives a token for it. Asked for anew each time: there is nothing that could be used up. */
export class FederatedTokens implements TokenSource {
  readonly graceSeconds = 0;

  constructor(
    private readonly settings: FederationSettings,
    private readonly issuer: Asserts,
    private readonly clock: Clock,
    private readonly limits: PostLimits = EXCHANGE_LIMITS,
  ) {}

  /** Berth cannot read a cluster's token where its workspaces do not run in one, and a file of the server's would be the same for every organization. */
  obstacle({ federation }: RenewalRequest['settings']): string | null {
    if (federation?.identity !== 'kubernetes') return null;
    return 'has the identity of a Kubernetes service account, and this Berth runs workspaces without Kubernetes; set it with the identity berth';
  }

  async renew({ organizationId, workspaceId, settings }: RenewalRequest): Promise<Renewal> {
    const { federation } = settings;
    if (!federation || workspaceId === null)
      throw new BerthError('internal', 'A federated token is minted for a workspace, by a rule.');
    const obstacle = this.obstacle(settings);
    if (obstacle) return failed(`It ${obstacle}`);
    const workspace = { organizationId, workspaceId };
    let assertion: string;
    try {
      assertion = await this.issuer.assert(workspace);
    } catch (error) {
      // Another replica may have the key, or know the address.
      if (!(error instanceof BerthError)) throw error;
      return failed(error.message);
    }
    const { tokenUrl } = this.settings;
    const exchanged = await exchangeAssertion(tokenUrl, federation, assertion, this.clock, this.limits);
    return this.#renewal(exchanged, () => this.#hint(federation, subjectOf(organizationId, workspaceId)));
  }

  #renewal(exchanged: Exchanged, hint: () => string): Renewal {
    switch (exchanged.outcome) {
      case 'exchanged': {
        const { token, expiresAt } = exchanged;
        return { outcome: 'renewed', renewed: { secret: { token }, hint: hintOf(token), expiresAt } };
      }
      case 'denied':
        return { outcome: 'rejected', reason: hint() };
      case 'malformed':
        return { outcome: 'rejected', reason: exchanged.reason };
      case 'failed':
        return exchanged;
    }
  }

  /** Every denial reads the same; the reason stands at Anthropic alone (providers.md 2.4). */
  #hint({ ruleId }: Federation, subject: string): string {
    return `Anthropic denied the workload identity, and says why only in its Console, in the authentication history. Compare rule ${ruleId} with what Berth sends: issuer ${this.issuer.url}, audience ${this.settings.audience}, subject ${subject}`;
  }
}

function failed(reason: string): Renewal {
  return { outcome: 'failed', reason, retryAfterSeconds: null };
}
