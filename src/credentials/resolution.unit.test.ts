import type { Agent, Kind, Scope } from '../contracts/index.js';
import { resolve, subscriptionAllowed, type CredentialFacts, type SubscriptionPolicy } from './resolution.js';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const [PAST, FUTURE] = [new Date(NOW.getTime() - 1000), new Date(NOW.getTime() + 1000)];

/** A stored credential, named by its scope and kind: `user/anthropic_api_key`. */
function stored(name: string, more: Partial<CredentialFacts> = {}): CredentialFacts {
  const [scope, kind] = name.split('/') as [Scope, Kind];
  return {
    id: name,
    scope,
    kind,
    status: 'active',
    expiresAt: null,
    limitedUntil: null,
    lastError: null,
    ...more,
  };
}

interface Case {
  name: string;
  agent?: Agent;
  policy?: SubscriptionPolicy;
  facts: CredentialFacts[];
  /** In the order in which they are asked; a `+` before what can serve. The first `+` is chosen. */
  order: string[];
}

const cases: Case[] = [
  { name: 'nothing stored', facts: [], order: [] },
  {
    name: 'the order of kinds in one scope, whatever order they are stored in',
    facts: [stored('user/aws_bedrock'), stored('user/anthropic_api_key'), stored('user/claude_setup_token')],
    order: ['+user/claude_setup_token', '+user/anthropic_api_key', 'user/aws_bedrock'],
  },
  {
    name: "the user's before the organization's, also when the organization's is of a better kind",
    facts: [stored('organization/claude_setup_token'), stored('user/anthropic_api_key')],
    order: ['+user/anthropic_api_key', '+organization/claude_setup_token'],
  },
  {
    name: 'all six of Claude',
    facts: (['organization', 'user'] as const).flatMap((scope) =>
      (['aws_bedrock', 'anthropic_api_key', 'claude_setup_token'] as const).map((kind) =>
        stored(`${scope}/${kind}`),
      ),
    ),
    order: [
      '+user/claude_setup_token',
      '+user/anthropic_api_key',
      'user/aws_bedrock',
      '+organization/claude_setup_token',
      '+organization/anthropic_api_key',
      'organization/aws_bedrock',
    ],
  },
  {
    name: "no kind of the other agent's",
    facts: [stored('user/openai_api_key'), stored('organization/anthropic_api_key')],
    order: ['+organization/anthropic_api_key'],
  },
  {
    name: 'Codex',
    agent: 'codex',
    facts: [
      stored('organization/openai_api_key'),
      stored('user/openai_api_key'),
      stored('user/anthropic_api_key'),
    ],
    order: ['+user/openai_api_key', '+organization/openai_api_key'],
  },
  {
    name: 'past a rejected one',
    facts: [
      stored('user/anthropic_api_key', { status: 'rejected' }),
      stored('organization/anthropic_api_key'),
    ],
    order: ['user/anthropic_api_key', '+organization/anthropic_api_key'],
  },
  {
    name: 'not past one that is being refreshed: it serves',
    facts: [stored('user/claude_setup_token', { status: 'refreshing' }), stored('user/anthropic_api_key')],
    order: ['+user/claude_setup_token', '+user/anthropic_api_key'],
  },
  {
    name: 'past one that expired, at the very moment too',
    facts: [
      stored('user/claude_setup_token', { expiresAt: NOW }),
      stored('user/anthropic_api_key', { expiresAt: PAST }),
      stored('organization/anthropic_api_key', { expiresAt: FUTURE }),
    ],
    order: ['user/claude_setup_token', 'user/anthropic_api_key', '+organization/anthropic_api_key'],
  },
  {
    name: 'past one without quota until it has some again',
    facts: [
      stored('user/claude_setup_token', { limitedUntil: FUTURE }),
      stored('user/anthropic_api_key', { limitedUntil: NOW }),
    ],
    order: ['user/claude_setup_token', '+user/anthropic_api_key'],
  },
  {
    name: 'Bedrock alone: stored, but it cannot serve yet',
    facts: [stored('user/aws_bedrock'), stored('organization/aws_bedrock')],
    order: ['user/aws_bedrock', 'organization/aws_bedrock'],
  },
  {
    name: 'subscriptions for persons only',
    policy: 'personal',
    facts: [stored('organization/claude_setup_token'), stored('user/claude_setup_token')],
    order: ['+user/claude_setup_token', 'organization/claude_setup_token'],
  },
  {
    name: 'subscriptions for nobody, API keys all the same',
    policy: 'off',
    facts: [
      stored('organization/claude_setup_token'),
      stored('user/claude_setup_token'),
      stored('organization/anthropic_api_key'),
    ],
    order: ['user/claude_setup_token', 'organization/claude_setup_token', '+organization/anthropic_api_key'],
  },
  {
    name: 'none that can serve',
    facts: [
      stored('user/anthropic_api_key', { status: 'rejected' }),
      stored('organization/anthropic_api_key', { expiresAt: PAST }),
    ],
    order: ['user/anthropic_api_key', 'organization/anthropic_api_key'],
  },
];

describe('resolution', () => {
  it.each(cases)('$name', ({ agent = 'claude', policy = 'on', facts, order }) => {
    const result = resolve(agent, facts, policy, NOW);
    const shown = result.candidates.map(({ credentialId, usable }) => (usable ? '+' : '') + credentialId);
    expect(shown).toEqual(order);
    const first = order.find((name) => name.startsWith('+'))?.slice(1) ?? null;
    expect(result.chosen?.credentialId ?? null).toBe(first);
    expect(result.agent).toBe(agent);
    for (const { reason } of result.candidates) expect(reason).not.toBe('');
    // Chosen is said of exactly one.
    expect(
      result.candidates
        .filter(({ reason }) => reason.startsWith('chosen'))
        .map(({ credentialId }) => credentialId),
    ).toEqual(first ? [first] : []);
  });

  it.each<[string, CredentialFacts, SubscriptionPolicy, string]>([
    [
      'rejected',
      stored('user/anthropic_api_key', { status: 'rejected', lastError: 'refused with status 401' }),
      'on',
      'was rejected by the provider (refused with status 401); set it anew',
    ],
    [
      'rejected without a word',
      stored('user/anthropic_api_key', { status: 'rejected' }),
      'on',
      'was rejected by the provider; set it anew',
    ],
    [
      'expired',
      stored('user/anthropic_api_key', { expiresAt: PAST }),
      'on',
      'expired at 2026-06-01T11:59:59.000Z; set it anew',
    ],
    [
      'limited',
      stored('user/claude_setup_token', { limitedUntil: FUTURE }),
      'on',
      "has used up its plan's quota until 2026-06-01T12:00:01.000Z",
    ],
    [
      'a subscription',
      stored('user/claude_setup_token'),
      'off',
      'is a subscription, which this Berth does not allow here (BERTH_SUBSCRIPTION_OAUTH)',
    ],
    [
      'Bedrock',
      stored('user/aws_bedrock'),
      'on',
      'stored, but this version of the proxy cannot sign requests to Bedrock yet',
    ],
    [
      'chosen',
      stored('user/anthropic_api_key'),
      'on',
      "chosen: the member's own Anthropic API key is the first that can serve",
    ],
    [
      'chosen of the organization',
      stored('organization/claude_setup_token'),
      'on',
      "chosen: the organization's Claude setup token is the first that can serve",
    ],
  ])('says why: %s', (_, fact, policy, reason) => {
    expect(resolve('claude', [fact], policy, NOW).candidates[0]?.reason).toBe(reason);
  });

  it('says how many it passed over, and what would serve next', () => {
    const facts = [
      stored('user/claude_setup_token', { status: 'rejected' }),
      stored('user/aws_bedrock'),
      stored('organization/anthropic_api_key'),
      stored('organization/claude_setup_token'),
    ];
    const { candidates } = resolve('claude', facts, 'on', NOW);
    expect(candidates.map(({ reason }) => reason)).toEqual([
      'was rejected by the provider; set it anew',
      'stored, but this version of the proxy cannot sign requests to Bedrock yet',
      "chosen: the organization's Claude setup token is the first that can serve; 2 before it cannot serve",
      "can serve: the organization's Anthropic API key, after those before it",
    ]);
  });

  it.each<[SubscriptionPolicy, boolean, boolean]>([
    ['on', true, true],
    ['personal', true, false],
    ['off', false, false],
  ])('the policy %s allows the user: %s, the organization: %s', (policy, user, organization) => {
    expect(subscriptionAllowed('user', policy)).toBe(user);
    expect(subscriptionAllowed('organization', policy)).toBe(organization);
  });
});
