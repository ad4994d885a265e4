import type { Agent, Candidate, Kind, Resolution, Scope } from '../contracts/index.js';
import { kinds } from './kinds.js';

/** What resolution needs to know of a stored credential; never its secret. */
export interface CredentialFacts {
  id: string;
  scope: Scope;
  kind: Kind;
  status: 'active' | 'refreshing' | 'rejected';
  expiresAt: Date | null;
  limitedUntil: Date | null;
  lastError: string | null;
}

/** What the instance's owner decided about subscriptions (BERTH_SUBSCRIPTION_OAUTH). */
export type SubscriptionPolicy = 'on' | 'personal' | 'off';

/** The order of kinds within one scope (contract, "Resolution order"). */
export const kindOrder: Record<Agent, readonly Kind[]> = {
  claude: ['claude_setup_token', 'anthropic_api_key', 'aws_bedrock'],
  codex: ['openai_api_key'],
};

/**
 * Who serves an agent: first the user's own credentials in the order of kinds, then the organization's in the same order. All are listed with the reason
 * why they would or would not serve; `chosen` is the first usable one. `facts` holds the user's and the organization's credentials, in any order.
 */
export function resolve(
  agent: Agent,
  facts: readonly CredentialFacts[],
  policy: SubscriptionPolicy,
  now: Date,
): Resolution {
  const ordered = (['user', 'organization'] as const).flatMap((scope) =>
    kindOrder[agent].flatMap((kind) => facts.filter((fact) => fact.scope === scope && fact.kind === kind)),
  );
  const obstacles = ordered.map((fact) => obstacle(fact, policy, now));
  const first = obstacles.indexOf(null);
  const candidates = ordered.map((fact, index): Candidate => {
    const problem = obstacles[index] ?? null;
    return {
      credentialId: fact.id,
      scope: fact.scope,
      kind: fact.kind,
      usable: problem === null,
      reason:
        problem ?? (index === first ? chosenReason(fact, obstacles.slice(0, index)) : standbyReason(fact)),
    };
  });
  return { agent, chosen: candidates[first] ?? null, candidates };
}

/** Why a credential cannot serve now; null when it can. */
function obstacle(fact: CredentialFacts, policy: SubscriptionPolicy, now: Date): string | null {
  const definition = kinds[fact.kind];
  if (fact.status === 'rejected')
    return `was rejected by the provider${fact.lastError ? ` (${fact.lastError})` : ''}; set it anew`;
  if (fact.expiresAt && fact.expiresAt <= now)
    return `expired at ${fact.expiresAt.toISOString()}; set it anew`;
  if (fact.limitedUntil && fact.limitedUntil > now)
    return `has used up its plan's quota until ${fact.limitedUntil.toISOString()}`;
  if (definition.subscription && !subscriptionAllowed(fact.scope, policy))
    return 'is a subscription, which this Berth does not allow here (BERTH_SUBSCRIPTION_OAUTH)';
  if (typeof definition.lease !== 'function') return definition.lease.unusable;
  return null;
}

export function subscriptionAllowed(scope: Scope, policy: SubscriptionPolicy): boolean {
  return policy === 'on' || (policy === 'personal' && scope === 'user');
}

const whose = (scope: Scope): string => (scope === 'user' ? "the member's own" : "the organization's");

function chosenReason(fact: CredentialFacts, before: (string | null)[]): string {
  const passedOver = before.length > 0 ? `; ${before.length} before it cannot serve` : '';
  return `chosen: ${whose(fact.scope)} ${kinds[fact.kind].title} is the first that can serve${passedOver}`;
}

function standbyReason(fact: CredentialFacts): string {
  return `can serve: ${whose(fact.scope)} ${kinds[fact.kind].title}, after those before it`;
}
