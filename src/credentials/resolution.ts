import type { Candidate, Kind, Resolution, Scope } from '../contracts/index.js';
import { isStoodDown, type TokenState } from '../oauth/index.js';
import { kinds, type Served } from './kinds.js';

/** What resolution needs to know of a stored credential; never its secret. */
export interface CredentialFacts {
  id: string;
  scope: Scope;
  kind: Kind;
  status: 'active' | 'refreshing' | 'rejected';
  expiresAt: Date | null;
  limitedUntil: Date | null;
  lastError: string | null;
  /** Whether whoever set it lets it serve where one before it failed; null where nobody is asked. */
  fallback: boolean | null;
  /** The token, where it is one that is renewed and there is something to know of it; null: it is as it is. */
  token: TokenState | null;
  /** Why no tokens can be got for it here, in words; null: they can, or it needs none. */
  unobtainable: string | null;
}

/** What the instance's owner decided about subscriptions (BERTH_SUBSCRIPTION_OAUTH). */
export type SubscriptionPolicy = 'on' | 'personal' | 'off';

export interface Policy {
  subscriptions: SubscriptionPolicy;
  /** Whether a member whose own credentials fail is served by the organization's. */
  organizationFallback: boolean;
  /** A kind that comes before all others, of either scope: where the work is to be done with it. */
  first?: Kind | undefined;
}

/** A resolution, and what only Berth needs to know of it. */
export interface Decision extends Omit<Resolution, 'agent'> {
  /** When none can serve: the first that could not be renewed for a while, and is waited for since there is no other. */
  lastHope: Candidate | null;
  /** True when the chosen one serves in place of one that failed. */
  isFallback: boolean;
}

/** The order of kinds within one scope (contract, "Resolution order"). What serves git serves no agent, and the other way round. */
export const kindOrder: Record<Served, readonly Kind[]> = {
  claude: ['claude_oauth', 'claude_setup_token', 'anthropic_wif', 'anthropic_api_key', 'aws_bedrock'],
  codex: ['openai_oauth', 'openai_api_key'],
  git: ['github_installation', 'git_token'],
};

/** Why a credential cannot serve: in full for people who ask, and in short words that do not change by the minute for receipts. */
interface Obstacle {
  text: string;
  short: string;
  /** It may serve again by itself within moments: worth waiting for when there is no other. */
  passes?: true;
  /** It was meant to serve and does not: whoever serves now does so in its place. */
  failed?: true;
}

/**
 * Who serves an agent, or git: first the user's own credentials in the order of kinds, then the organization's in the same order. All are listed with the reason
 * why they would or would not serve; `chosen` is the first usable one. `facts` holds the user's and the organization's credentials, in any order; for
 * git those of the host in question alone.
 */
export function resolve(
  served: Served,
  facts: readonly CredentialFacts[],
  policy: Policy,
  now: Date,
): Decision {
  const inOrder = (['user', 'organization'] as const).flatMap((scope) =>
    kindOrder[served].flatMap((kind) => facts.filter((fact) => fact.scope === scope && fact.kind === kind)),
  );
  // Made for this very repository, and for nothing else: it comes before tokens that reach as far as whoever made them, also a member's own.
  const leads = (fact: CredentialFacts): boolean => isForOne(fact) || fact.kind === policy.first;
  const ordered = [...inOrder.filter(leads), ...inOrder.filter((fact) => !leads(fact))];
  const hasOwn = ordered.some(({ scope }) => scope === 'user');
  const obstacles = ordered.map(
    (fact, index) => obstacleOf(fact, policy, now) ?? ruleAgainst(fact, index, hasOwn, policy),
  );
  const first = obstacles.indexOf(null);
  const candidates = ordered.map((fact, index): Candidate => {
    const obstacle = obstacles[index] ?? null;
    const before = ordered.slice(0, index).map((other, at) => ({ other, obstacle: obstacles[at] ?? null }));
    return {
      credentialId: fact.id,
      scope: fact.scope,
      kind: fact.kind,
      usable: obstacle === null,
      reason: obstacle?.text ?? (index === first ? chosenReason(fact, before) : standbyReason(fact)),
    };
  });
  const passing = first < 0 ? obstacles.findIndex((obstacle) => obstacle?.passes) : -1;
  return {
    chosen: candidates[first] ?? null,
    candidates,
    lastHope: candidates[passing] ?? null,
    isFallback: obstacles.slice(0, Math.max(0, first)).some((obstacle) => obstacle?.failed),
  };
}

/** It can do no more than what the workspace is for. */
function isForOne({ kind }: Pick<CredentialFacts, 'kind'>): boolean {
  return kind === 'github_installation';
}

/** The same decision where only one kind is understood: its first that may serve. What was set to serve in no other's place does so here neither, since another may be before it. */
export function ofKind(kind: Kind, decision: Decision): Decision {
  const chosen = decision.candidates.find((candidate) => candidate.usable && candidate.kind === kind) ?? null;
  return { ...decision, chosen, lastHope: null, isFallback: chosen !== null && decision.isFallback };
}

/**
 * Those of `ids` from which people took the right to serve this member: removed, another's, the organization's where that does not serve members who have their own. That one ran out, was
 * rejected or is used up is no such thing: what was begun with it may end.
 */
export function withdrawn(
  served: Served,
  ids: readonly string[],
  facts: readonly Pick<CredentialFacts, 'id' | 'scope' | 'kind'>[],
  policy: Policy,
): string[] {
  const hasOwn = facts.some(({ scope, kind }) => scope === 'user' && kindOrder[served].includes(kind));
  const may = facts.filter(
    ({ scope, kind }) =>
      kindOrder[served].includes(kind) &&
      (scope === 'user' || isForOne({ kind }) || !hasOwn || policy.organizationFallback) &&
      (!kinds[kind].subscription || subscriptionAllowed(scope, policy.subscriptions)),
  );
  return ids.filter((id) => !may.some((fact) => fact.id === id));
}

/** Why a credential cannot serve now, whichever others there are; null when it can. */
function obstacleOf(fact: CredentialFacts, policy: Policy, now: Date): Obstacle | null {
  const said = fact.lastError ? ` (${fact.lastError})` : '';
  return failureOf(fact, said, now) ?? impossibilityOf(fact, policy) ?? tokenObstacleOf(fact, said, now);
}

/** It was meant to serve, and was ended or used up. */
function failureOf(
  { kind, status, expiresAt, limitedUntil }: CredentialFacts,
  said: string,
  now: Date,
): Obstacle | null {
  const { renewal } = kinds[kind];
  const failed = (short: string, advice = ''): Obstacle => ({ text: short + advice, short, failed: true });
  if (status === 'rejected')
    return failed(
      `was rejected by the provider${said}`,
      renewal === 'login' ? '; connect it again' : '; set it anew',
    );
  if (renewal === null && expiresAt && expiresAt <= now)
    return failed(`expired at ${expiresAt.toISOString()}`, '; set it anew');
  if (limitedUntil && limitedUntil > now)
    return failed(`has used up its plan's quota until ${limitedUntil.toISOString()}`);
  return null;
}

/** It cannot serve here at all. */
function impossibilityOf({ kind, scope, unobtainable }: CredentialFacts, policy: Policy): Obstacle | null {
  const { subscription, renewal } = kinds[kind];
  if (subscription && !subscriptionAllowed(scope, policy.subscriptions))
    return same('is a subscription, which this Berth does not allow here (BERTH_SUBSCRIPTION_OAUTH)');
  if (renewal !== null && unobtainable) return { text: unobtainable, short: CANNOT_HERE };
  return null;
}

function tokenObstacleOf({ token }: CredentialFacts, said: string, now: Date): Obstacle | null {
  return token && isStoodDown(token, now) ? stoodDown(token, said, now) : null;
}

function stoodDown({ retryAt }: TokenState, said: string, now: Date): Obstacle {
  const when = retryAt && retryAt > now ? `at ${retryAt.toISOString()}` : 'with the next request';
  const short = `could not be renewed${said}`;
  return { text: `${short}; tried again ${when}`, short, passes: true, failed: true };
}

/** What people decided about serving in place of others; null when nothing speaks against it. */
function ruleAgainst(fact: CredentialFacts, index: number, hasOwn: boolean, policy: Policy): Obstacle | null {
  if (fact.scope === 'organization' && !isForOne(fact) && hasOwn && !policy.organizationFallback)
    return same("is the organization's, which does not serve members who have their own (credential policy)");
  if (fact.fallback === false && index > 0)
    return same('is not to serve in place of those before it (it was set with fallback off)');
  return null;
}

const CANNOT_HERE = 'cannot serve here';
const same = (text: string): Obstacle => ({ text, short: text });

export function subscriptionAllowed(scope: Scope, policy: SubscriptionPolicy): boolean {
  return policy === 'on' || (policy === 'personal' && scope === 'user');
}

/** Whose it is and what, as in "the member's own Claude login". */
function nameOf({ scope, kind }: Pick<CredentialFacts, 'scope' | 'kind'>): string {
  return `${scope === 'user' ? "the member's own" : "the organization's"} ${kinds[kind].title}`;
}

function chosenReason(
  fact: CredentialFacts,
  before: { other: CredentialFacts; obstacle: Obstacle | null }[],
): string {
  const passedOver = before.map(({ other, obstacle }) => `; ${nameOf(other)} ${obstacle?.short ?? ''}`);
  return `chosen: ${nameOf(fact)} is the first that can serve${passedOver.join('')}`;
}

function standbyReason(fact: CredentialFacts): string {
  return `can serve: ${nameOf(fact)}, after those before it`;
}
