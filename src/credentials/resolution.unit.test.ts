import type { Served } from './kinds.js';
import {
  kindOrder,
  ofKind,
  resolve,
  withdrawn,
  type CredentialFacts,
  type SubscriptionPolicy,
} from './resolution.js';
import { FUTURE, login, minutesFrom, NOW, PAST, policyOf, runOut, stored } from './testing/facts.js';

interface Case {
  name: string;
  agent?: Served;
  policy?: SubscriptionPolicy;
  organizationFallback?: boolean;
  facts: CredentialFacts[];
  /** In the order in which they are asked; a `+` before what can serve. The first `+` is chosen. */
  order: string[];
}

const cases: Case[] = [
  { name: 'nothing stored', facts: [], order: [] },
  {
    name: 'the order of kinds in one scope, whatever order they are stored in',
    facts: [stored('user/aws_bedrock'), stored('user/anthropic_api_key'), stored('user/claude_setup_token')],
    order: ['+user/claude_setup_token', '+user/anthropic_api_key', '+user/aws_bedrock'],
  },
  {
    name: "the user's before the organization's, also when the organization's is of a better kind",
    facts: [stored('organization/claude_setup_token'), stored('user/anthropic_api_key')],
    order: ['+user/anthropic_api_key', '+organization/claude_setup_token'],
  },
  {
    name: 'all of Claude',
    facts: (['organization', 'user'] as const).flatMap((scope) =>
      [...kindOrder.claude].reverse().map((kind) => stored(`${scope}/${kind}`)),
    ),
    order: [
      '+user/claude_oauth',
      '+user/claude_setup_token',
      '+user/anthropic_wif',
      '+user/anthropic_api_key',
      '+user/aws_bedrock',
      '+organization/claude_oauth',
      '+organization/claude_setup_token',
      '+organization/anthropic_wif',
      '+organization/anthropic_api_key',
      '+organization/aws_bedrock',
    ],
  },
  {
    name: 'all of Codex',
    agent: 'codex',
    facts: (['organization', 'user'] as const).flatMap((scope) =>
      [...kindOrder.codex].reverse().map((kind) => stored(`${scope}/${kind}`)),
    ),
    order: [
      '+user/openai_oauth',
      '+user/openai_api_key',
      '+organization/openai_oauth',
      '+organization/openai_api_key',
    ],
  },
  {
    name: 'a login that has run out serves: it is renewed first',
    facts: [login('user/claude_oauth', runOut, { expiresAt: PAST }), stored('user/anthropic_api_key')],
    order: ['+user/claude_oauth', '+user/anthropic_api_key'],
  },
  {
    name: 'a login whose token was refused serves: it is renewed first',
    facts: [login('user/claude_oauth', { refusedGeneration: 3 }), stored('user/anthropic_api_key')],
    order: ['+user/claude_oauth', '+user/anthropic_api_key'],
  },
  {
    name: 'a login that failed to renew, while its token serves',
    facts: [
      login('user/claude_oauth', { failures: 50, retryAt: minutesFrom(15) }),
      stored('user/anthropic_api_key'),
    ],
    order: ['+user/claude_oauth', '+user/anthropic_api_key'],
  },
  {
    name: 'a login that has run out and failed to renew four times',
    facts: [login('user/claude_oauth', { ...runOut, failures: 4 }), stored('user/anthropic_api_key')],
    order: ['+user/claude_oauth', '+user/anthropic_api_key'],
  },
  {
    name: 'past a login that has run out and failed to renew five times',
    facts: [login('user/claude_oauth', { ...runOut, failures: 5 }), stored('user/anthropic_api_key')],
    order: ['user/claude_oauth', '+user/anthropic_api_key'],
  },
  {
    name: 'past a login that the provider ended',
    facts: [login('user/claude_oauth', {}, { status: 'rejected' }), stored('organization/claude_oauth')],
    order: ['user/claude_oauth', '+organization/claude_oauth'],
  },
  {
    name: 'past one whose tokens nobody can get',
    facts: [
      stored('user/anthropic_wif', { unobtainable: 'no tokens for it here' }),
      stored('user/anthropic_api_key'),
    ],
    order: ['user/anthropic_wif', '+user/anthropic_api_key'],
  },
  {
    name: 'a metered key that is no fallback, and stands alone',
    facts: [stored('user/anthropic_api_key', { fallback: false })],
    order: ['+user/anthropic_api_key'],
  },
  {
    name: 'a metered key that is no fallback, after a login that serves',
    facts: [stored('user/claude_oauth'), stored('user/anthropic_api_key', { fallback: false })],
    order: ['+user/claude_oauth', 'user/anthropic_api_key'],
  },
  {
    name: 'a metered key that is no fallback, after a login that does not serve',
    facts: [
      stored('user/claude_oauth', { status: 'rejected' }),
      stored('user/anthropic_api_key', { fallback: false }),
      stored('organization/anthropic_api_key'),
    ],
    order: ['user/claude_oauth', 'user/anthropic_api_key', '+organization/anthropic_api_key'],
  },
  {
    name: "the organization's key that is no fallback, for a member with a rejected one of their own",
    facts: [
      stored('user/anthropic_api_key', { status: 'rejected' }),
      stored('organization/anthropic_api_key', { fallback: false }),
    ],
    order: ['user/anthropic_api_key', 'organization/anthropic_api_key'],
  },
  {
    name: "the organization's key that is no fallback, for a member without any",
    facts: [stored('organization/anthropic_api_key', { fallback: false })],
    order: ['+organization/anthropic_api_key'],
  },
  {
    name: "no fall to the organization's where an admin forbade it",
    organizationFallback: false,
    facts: [
      stored('user/claude_oauth', { status: 'rejected' }),
      stored('user/anthropic_api_key'),
      stored('organization/anthropic_api_key'),
    ],
    order: ['user/claude_oauth', '+user/anthropic_api_key', 'organization/anthropic_api_key'],
  },
  {
    name: "no fall to the organization's where an admin forbade it, whatever is left",
    organizationFallback: false,
    facts: [stored('user/claude_oauth', { status: 'rejected' }), stored('organization/anthropic_api_key')],
    order: ['user/claude_oauth', 'organization/anthropic_api_key'],
  },
  {
    name: "the organization's for who has none, where an admin forbade to fall to it",
    organizationFallback: false,
    facts: [stored('organization/anthropic_api_key')],
    order: ['+organization/anthropic_api_key'],
  },
  {
    name: "the organization's for who has only of the other agent's, where an admin forbade to fall to it",
    organizationFallback: false,
    facts: [stored('user/openai_api_key'), stored('organization/anthropic_api_key')],
    order: ['+organization/anthropic_api_key'],
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
    name: 'Bedrock last, and only with the word that it may',
    facts: [
      stored('user/anthropic_api_key', { status: 'rejected' }),
      stored('user/aws_bedrock', { fallback: false }),
      stored('organization/aws_bedrock'),
    ],
    order: ['user/anthropic_api_key', 'user/aws_bedrock', '+organization/aws_bedrock'],
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
    name: 'all of git, which serves no agent',
    agent: 'git',
    facts: [
      stored('organization/git_token'),
      stored('user/anthropic_api_key'),
      stored('user/git_token', { status: 'rejected' }),
    ],
    order: ['user/git_token', '+organization/git_token'],
  },
  {
    name: 'the organization’s git token, not for members who have their own where that is the policy',
    agent: 'git',
    organizationFallback: false,
    facts: [stored('organization/git_token'), stored('user/git_token', { status: 'rejected' })],
    order: ['user/git_token', 'organization/git_token'],
  },
  {
    name: 'what was made for this repository alone first, also where the organization’s is not to serve members who have their own',
    agent: 'git',
    organizationFallback: false,
    facts: [
      stored('user/git_token'),
      stored('organization/git_token'),
      stored('organization/github_installation'),
    ],
    order: ['+organization/github_installation', '+user/git_token', 'organization/git_token'],
  },
  {
    name: 'no agent by git',
    facts: [stored('user/git_token')],
    order: [],
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
  it.each(cases)('$name', ({ agent = 'claude', policy = 'on', organizationFallback, facts, order }) => {
    const result = resolve(agent, facts, policyOf(policy, organizationFallback), NOW);
    const shown = result.candidates.map(({ credentialId, usable }) => (usable ? '+' : '') + credentialId);
    expect(shown).toEqual(order);
    const first = order.find((name) => name.startsWith('+'))?.slice(1) ?? null;
    expect(result.chosen?.credentialId ?? null).toBe(first);
    for (const { reason } of result.candidates) expect(reason).not.toBe('');
    // Chosen is said of exactly one.
    expect(
      result.candidates
        .filter(({ reason }) => reason.startsWith('chosen'))
        .map(({ credentialId }) => credentialId),
    ).toEqual(first ? [first] : []);
  });
});

it('a kind that is to come first comes before a member’s others, also as the organization’s, and by the same rules', () => {
  const facts = [
    stored('user/claude_oauth'),
    stored('user/anthropic_api_key', { fallback: false }),
    stored('organization/aws_bedrock'),
  ];
  const chosen = (organizationFallback: boolean): string | undefined =>
    resolve('claude', facts, { ...policyOf('on', organizationFallback), first: 'aws_bedrock' }, NOW).chosen
      ?.credentialId;
  expect(chosen(true)).toBe('organization/aws_bedrock');
  expect(chosen(false)).toBe('user/claude_oauth');
});

describe('where only AWS keys are understood', () => {
  const key = (place: 'user' | 'organization', more = {}): CredentialFacts =>
    stored(`${place}/aws_bedrock`, more);
  const [own, shared] = [key('user'), key('organization')];
  it.each<[string, CredentialFacts[], CredentialFacts | null]>([
    ['the first of them', [stored('user/anthropic_api_key'), own, shared], own],
    [
      'the next when it was rejected',
      [stored('user/claude_oauth'), key('user', { status: 'rejected' }), shared],
      shared,
    ],
    [
      'none that may serve in no other’s place',
      [stored('user/anthropic_api_key'), key('user', { fallback: false })],
      null,
    ],
    ['none where there is none', [stored('user/anthropic_api_key')], null],
  ])('serves %s', (_, facts, expected) => {
    const decision = ofKind('aws_bedrock', resolve('claude', facts, policyOf('on'), NOW));
    expect(decision.chosen?.credentialId).toBe(expected?.id);
    expect(decision.lastHope).toBeNull();
  });

  it('serves one that stands alone, whatever was said of others', () => {
    const alone = key('user', { fallback: false });
    const decision = ofKind('aws_bedrock', resolve('claude', [alone], policyOf('on'), NOW));
    expect(decision.chosen?.credentialId).toBe(alone.id);
  });
});

describe('the right to serve is taken away', () => {
  const [own, shared, subscription] = [
    stored('user/anthropic_api_key'),
    stored('organization/anthropic_api_key'),
    stored('organization/claude_oauth', { status: 'rejected', expiresAt: PAST, limitedUntil: FUTURE }),
  ];
  it.each<[string, CredentialFacts[], Parameters<typeof policyOf>, string[]]>([
    ['from none that is there, whatever its provider says of it', [own, shared, subscription], ['on'], []],
    ['from those that were removed', [shared], ['on'], [own.id, subscription.id]],
    [
      'from the organization’s where they do not serve members who have their own',
      [own, shared, subscription],
      ['on', false],
      [shared.id, subscription.id],
    ],
    ['but not where the member has none', [shared, subscription], ['on', false], [own.id]],
    [
      'nor where their own is for another agent',
      [stored('user/openai_api_key'), shared, subscription],
      ['on', false],
      [own.id],
    ],
    [
      'from subscriptions that are not allowed here any more',
      [own, shared, subscription],
      ['personal'],
      [subscription.id],
    ],
  ])('%s', (_, facts, policy, gone) => {
    const ids = [own.id, shared.id, subscription.id];
    expect(withdrawn('claude', ids, facts, policyOf(...policy))).toEqual(gone);
  });
});
