import type { CredentialView, Scope } from '../../../src/contracts/index.js';
import type { TestMember } from '../../support/app.js';
import type { Seeded } from '../../support/seeded.js';
import { newAwsKey, newKey, type Asked, type AskedModels } from './asked-models.js';

/** How a stage of a chain is: `ended` and `refused` by the provider, `denied` an exchange, `quota` used up, `away`: refused, and not to be renewed for minutes. */
type Condition = 'well' | 'ended' | 'refused' | 'denied' | 'quota' | 'away';

/** The order of one scope, written here once more: the figure holds Berth against it. */
const KINDS = [
  'claude_oauth',
  'claude_setup_token',
  'anthropic_wif',
  'anthropic_api_key',
  'aws_bedrock',
] as const;
type StageKind = (typeof KINDS)[number];
const SCOPES: readonly Scope[] = ['user', 'organization'];
/** What is metered may be kept from serving in place of others. */
const METERED: ReadonlySet<StageKind> = new Set(['anthropic_api_key', 'aws_bedrock']);
const PLACES = SCOPES.flatMap((scope) => KINDS.map((kind) => ({ scope, kind })));

const failures: Record<StageKind, readonly Condition[]> = {
  claude_oauth: ['ended', 'quota', 'away'],
  claude_setup_token: ['refused', 'quota'],
  anthropic_wif: ['denied'],
  anthropic_api_key: ['refused'],
  aws_bedrock: ['refused'],
};

const titles: Record<StageKind, string> = {
  claude_oauth: 'Claude login',
  claude_setup_token: 'Claude setup token',
  anthropic_wif: 'Anthropic workload identity',
  anthropic_api_key: 'Anthropic API key',
  aws_bedrock: 'AWS Bedrock',
};

const why: Record<Exclude<Condition, 'well'>, string> = {
  ended: 'was rejected by the provider',
  refused: 'was rejected by the provider',
  denied: 'was rejected by the provider',
  quota: "has used up its plan's quota until",
  away: 'could not be renewed',
};
const NO_CONSENT = 'is not to serve in place of those before it';
const NOT_FOR_THEM = "is the organization's, which does not serve members who have their own";

/** The provider's own pause for a token that it does not renew now: more than a request waits. */
const AWAY_SECONDS = '300';
const QUOTA_SECONDS = 3600;
const FEDERATED_ORGANIZATION = '00000000-0000-4000-8000-000000000001';

export interface Stage {
  scope: Scope;
  kind: StageKind;
  condition: Condition;
  /** Of a key: whether it may serve in place of others. */
  consent: boolean;
}

export interface Scenario {
  stages: Stage[];
  organizationFallback: boolean;
}

/** Each stage fails with all behind it well; and each two fail, with nothing between them. */
export function systematic(): Scenario[] {
  const scenarios: Scenario[] = [];
  for (let first = 0; first < PLACES.length; first++)
    for (let second = first; second < PLACES.length; second++) {
      const stages = PLACES.flatMap((place, at): Stage[] => {
        const fails = at === first || at === second;
        if (!fails && at < second) return [];
        return [{ ...place, condition: fails ? failing(place.kind, first + second) : 'well', consent: true }];
      });
      scenarios.push({ stages, organizationFallback: true });
    }
  return scenarios;
}

/** A member's subscription fails in front of keys of which most may not serve in its place. */
export function drawn(random: Seeded): Scenario {
  const chance = (percent: number): boolean => random.below(100) < percent;
  const isTempting = chance(90);
  const stages = PLACES.flatMap(({ scope, kind }): Stage[] => {
    const isOwn = isTempting && scope === 'user';
    const present = isOwn
      ? {
          claude_oauth: 70,
          claude_setup_token: 60,
          anthropic_wif: 0,
          anthropic_api_key: 100,
          aws_bedrock: 30,
        }[kind]
      : 40;
    if (!chance(present)) return [];
    const isMetered = METERED.has(kind);
    const fails = isOwn ? (isMetered ? 10 : 100) : 40;
    return [
      {
        scope,
        kind,
        condition: chance(fails) ? failing(kind, random.below(6)) : 'well',
        consent: !(isMetered && chance(85)),
      },
    ];
  });
  return { stages, organizationFallback: chance(80) };
}

/** One of each, and all of them are well. */
export function complete(): Scenario {
  const stages = PLACES.map((place): Stage => ({ ...place, condition: 'well', consent: true }));
  return { stages, organizationFallback: true };
}

function failing(kind: StageKind, at: number): Condition {
  const all = failures[kind];
  return all[at % all.length] ?? 'refused';
}

/** Why each stage does not serve, in Berth's order; the first that does is at the first null. The model that Berth is held against. */
function obstaclesOf({ stages, organizationFallback }: Scenario, asksForConsent = true): (string | null)[] {
  const hasOwn = stages.some(({ scope }) => scope === 'user');
  return stages.map(({ scope, condition, consent }, at) => {
    // First what keeps it from being tried: of what was never tried nobody knows that it would fail.
    if (scope === 'organization' && hasOwn && !organizationFallback) return NOT_FOR_THEM;
    if (!consent && at > 0 && asksForConsent) return NO_CONSENT;
    return condition === 'well' ? null : why[condition];
  });
}

/** Where none is left, what is only away is waited for, and that is another figure's. */
function settled(scenario: Scenario): Scenario {
  if (obstaclesOf(scenario).includes(null)) return scenario;
  const stages = scenario.stages.map((stage): Stage => ({
    ...stage,
    condition: stage.condition === 'away' ? 'ended' : stage.condition,
  }));
  return { ...scenario, stages };
}

/** A member's chain as it was set, with the means to tell its keys and tokens in the ledger. */
export class Chain {
  readonly #stageOf = new Map<string, number>();
  readonly #views: CredentialView[] = [];

  private constructor(
    private readonly lane: AskedModels,
    private readonly member: TestMember,
    private readonly scenario: Scenario,
  ) {}

  /** In place of all that the member and the organization had. */
  static async set(lane: AskedModels, member: TestMember, scenario: Scenario): Promise<Chain> {
    const chain = new Chain(lane, member, settled(scenario));
    await lane.clear(member);
    const { api } = lane.organization.owner;
    const { organizationFallback } = scenario;
    await api.call('PUT', api.path('/credential-policy'), { organizationFallback }, 200);
    for (const [at, stage] of chain.scenario.stages.entries()) {
      const body = chain.#issue(stage, at);
      chain.#views.push(await lane.set(member, stage.scope, stage.kind, body));
    }
    return chain;
  }

  /** The stage that is to serve; null when none can. */
  get expected(): number | null {
    const at = obstaclesOf(this.scenario).indexOf(null);
    return at < 0 ? null : at;
  }

  /** Whether a key without consent would serve if nobody asked for it. */
  get tempts(): boolean {
    const at = obstaclesOf(this.scenario, false).indexOf(null);
    return at > 0 && this.scenario.stages[at]?.consent === false;
  }

  get told(): string {
    return this.scenario.stages
      .map(
        ({ scope, kind, condition, consent }) =>
          `${scope[0] ?? ''}:${kind} ${condition}${consent ? '' : ' unasked'}`,
      )
      .join(', ');
  }

  ask(text: string): Promise<Asked> {
    const ids = this.#views.map(({ id }) => id);
    return this.lane.ask(this.member, text, {
      limited: async (times) => {
        const limited = await this.lane.sql(
          'SELECT id FROM credential WHERE id = ANY($1) AND limited_until IS NOT NULL',
          [ids],
        );
        if (limited.length < times) return false;
        // Its notice may be a moment later.
        for (const id of ids) this.lane.proxy.forget(id);
        return true;
      },
    });
  }

  /** Whether a key or token is of a member's own part of this chain. */
  owns(value: string): boolean {
    const at = this.stageOf(value);
    return at !== null && this.scenario.stages[at]?.scope === 'user';
  }

  /** What is wrong with what came of a message. */
  breachesOf({ answers, message, sent }: Asked): string[] {
    const { expected } = this;
    const breaches: string[] = [];
    const expect = (holds: boolean, breach: string): void => {
      if (!holds) breaches.push(breach);
    };
    const used = sent.map(({ value }) => this.stageOf(value));
    const serving = sent.filter(({ status }) => status === 200).map(({ value }) => this.stageOf(value));
    const inOrder = used.every((at, n) => at !== null && (n === 0 || at >= (used[n - 1] ?? 0)));
    expect(inOrder, `it was called with stages ${used.join()}`);
    if (expected === null) {
      expect(serving.length === 0, `stage ${serving.join()} served, and none should`);
      expect(message.receipts.length === 0, `there is a receipt of a model that never answered`);
      expect(message.state === 'failed', `the message is ${message.state}`);
      return breaches;
    }
    expect(serving.join() === String(expected), `stage ${serving.join()} served and not ${expected}`);
    expect(message.state === 'completed', `the message is ${message.state} (${answers.at(-1)?.body ?? ''})`);
    breaches.push(...this.#breachesOfReceipt(message.receipts, expected));
    return breaches;
  }

  #breachesOfReceipt(receipts: Asked['message']['receipts'], expected: number): string[] {
    const [receipt] = receipts;
    if (!receipt || receipts.length > 1) return [`there are ${receipts.length} receipts`];
    const [view, stage] = [this.#views[expected], this.scenario.stages[expected]];
    const is = `${receipt.scope} ${receipt.kind} ${receipt.credentialId} ${receipt.generation}`;
    const should = `${stage?.scope ?? ''} ${stage?.kind ?? ''} ${view?.id ?? ''} 1`;
    if (is !== should) return [`the receipt is of ${is} and not of ${should}`];
    const reasons = obstaclesOf(this.scenario).slice(0, expected);
    const parts = [
      `chosen: ${this.#nameOf(expected)}`,
      ...reasons.map((reason, at) => `${this.#nameOf(at)} ${reason ?? ''}`),
    ];
    return parts
      .filter((part) => !receipt.reason.includes(part))
      .map((part) => `the receipt says “${receipt.reason}”, not “${part}”`);
  }

  #nameOf(at: number): string {
    const stage = this.scenario.stages[at];
    if (!stage) return '';
    return `${stage.scope === 'user' ? "the member's own" : "the organization's"} ${titles[stage.kind]}`;
  }

  /** By the ledger's own books: of a login any token, of a workload identity the rule. Null: none of this chain. */
  private stageOf(value: string): number | null {
    const { book, federation } = this.lane.claude.logins;
    const names = [value, book.stateOf(value)?.lineage, federation.stateOf(value)?.rule];
    for (const name of names) {
      const at = name === undefined ? undefined : this.#stageOf.get(name);
      if (at !== undefined) return at;
    }
    return null;
  }

  /** Makes it at the provider, in its condition. Answers how it is set. */
  #issue({ kind, condition, consent }: Stage, at: number): Record<string, unknown> {
    switch (kind) {
      case 'claude_oauth':
        return this.#issueLogin(condition, at);
      case 'claude_setup_token': {
        const token = newKey().replace('sk-ant-api03', 'sk-ant-oat01');
        this.#accept(token, condition, at);
        return { token };
      }
      case 'anthropic_api_key': {
        const apiKey = newKey();
        this.#accept(apiKey, condition, at);
        return { apiKey, fallback: consent };
      }
      case 'aws_bedrock': {
        const key = newAwsKey();
        this.#stageOf.set(key.accessKeyId, at);
        if (condition === 'well') this.lane.bedrock.keys.accept(key);
        return { ...key, region: this.lane.bedrock.region, fallback: consent };
      }
      case 'anthropic_wif':
        return this.#issueRule(condition, at);
    }
  }

  #issueLogin(condition: Condition, at: number): Record<string, unknown> {
    const { claude } = this.lane;
    const { lineage, accessToken, refreshToken, expiresAt } = claude.logins.issue();
    this.#stageOf.set(lineage, at);
    if (condition === 'ended') claude.logins.book.end(lineage);
    if (condition === 'quota') this.#useUp(accessToken);
    if (condition === 'away') {
      claude.logins.book.revokeLiving(lineage);
      const headers = { 'retry-after': AWAY_SECONDS };
      claude.fail({ mode: 'status', status: 429, headers, match: { refreshToken } });
    }
    return { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
  }

  #accept(secret: string, condition: Condition, at: number): void {
    this.#stageOf.set(secret, at);
    if (condition !== 'refused') this.lane.claude.accept(secret);
    if (condition === 'quota') this.#useUp(secret);
  }

  #issueRule(condition: Condition, at: number): Record<string, unknown> {
    const id = `fdrl_${newKey().slice(-20)}`;
    this.#stageOf.set(id, at);
    this.lane.claude.logins.federation.set({
      id,
      organizationId: FEDERATED_ORGANIZATION,
      serviceAccountId: condition === 'denied' ? 'svac_other' : 'svac_acme',
      issuer: this.lane.url,
      jwks: { url: `${this.lane.url}/.well-known/jwks.json` },
      subjectPrefix: `berth:organization:${this.lane.organization.id}:workspace:*`,
      audience: 'https://api.anthropic.com',
      workspaces: ['wrkspc_acme'],
      tokenSeconds: 3600,
    });
    return {
      federationRuleId: id,
      organizationId: FEDERATED_ORGANIZATION,
      serviceAccountId: 'svac_acme',
      identity: 'berth',
    };
  }

  #useUp(credential: string): void {
    this.lane.claude.fail(quotaOf(credential, this.lane.clock.now()));
  }
}

/** A plan that is used up, as Anthropic says it of a subscription (providers.md 1.8). */
export function quotaOf(credential: string, now: Date) {
  const reset = String(Math.floor(now.getTime() / 1000) + QUOTA_SECONDS);
  const of = (name: string): string => `anthropic-ratelimit-unified-${name}`;
  const headers = { [of('status')]: 'rejected', [of('reset')]: reset };
  return { mode: 'status' as const, status: 429, headers, match: { credential }, times: 'always' as const };
}
