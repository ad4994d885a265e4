import { resolve, subscriptionAllowed, type CredentialFacts, type SubscriptionPolicy } from './resolution.js';
import { FUTURE, login, minutesFrom, NOW, PAST, policyOf, runOut, stored } from './testing/facts.js';

describe('the reasons of a resolution', () => {
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
      "chosen: the member's own AWS Bedrock is the first that can serve",
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
    expect(resolve('claude', [fact], policyOf(policy), NOW).candidates[0]?.reason).toBe(reason);
  });

  it('says how many it passed over, and what would serve next', () => {
    const facts = [
      stored('user/claude_setup_token', { status: 'rejected' }),
      stored('user/anthropic_wif', { unobtainable: 'no tokens for it here' }),
      stored('organization/anthropic_api_key'),
      stored('organization/claude_setup_token'),
    ];
    const { candidates } = resolve('claude', facts, policyOf('on'), NOW);
    expect(candidates.map(({ reason }) => reason)).toEqual([
      'was rejected by the provider; set it anew',
      'no tokens for it here',
      "chosen: the organization's Claude setup token is the first that can serve; the member's own Claude setup token was rejected by the provider; the member's own Anthropic workload identity cannot serve here",
      "can serve: the organization's Anthropic API key, after those before it",
    ]);
  });

  it('says of a login that it could not be renewed, and when it is tried again', () => {
    const down = login(
      'user/claude_oauth',
      { ...runOut, failures: 5, retryAt: minutesFrom(5) },
      { lastError: 'status 503' },
    );
    const { candidates, isFallback } = resolve(
      'claude',
      [down, stored('user/anthropic_api_key')],
      policyOf('on'),
      NOW,
    );
    expect(isFallback).toBe(true);
    expect(candidates.map(({ reason }) => reason)).toEqual([
      'could not be renewed (status 503); tried again at 2026-06-01T12:05:00.000Z',
      // Without a time: it is written on receipts.
      "chosen: the member's own Anthropic API key is the first that can serve; the member's own Claude login could not be renewed (status 503)",
    ]);
  });

  it.each<[string, CredentialFacts[], string | null]>([
    [
      'a login that may come back, when nothing else serves',
      [
        stored('user/claude_setup_token', { status: 'rejected' }),
        login('user/claude_oauth', { ...runOut, failures: 5 }),
      ],
      'user/claude_oauth',
    ],
    [
      'nothing while another serves',
      [login('user/claude_oauth', { ...runOut, failures: 5 }), stored('user/claude_setup_token')],
      null,
    ],
    ['nothing that is over for good', [stored('user/claude_oauth', { status: 'rejected' })], null],
  ])('waits for %s', (_, facts, hope) => {
    expect(resolve('claude', facts, policyOf('on'), NOW).lastHope?.credentialId ?? null).toBe(hope);
  });

  it.each<[string, CredentialFacts[], boolean]>([
    ['first', [stored('user/anthropic_api_key')], false],
    [
      'before a failed one',
      [stored('user/anthropic_api_key'), stored('organization/anthropic_api_key', { status: 'rejected' })],
      false,
    ],
    [
      'after a rejected one',
      [stored('user/claude_oauth', { status: 'rejected' }), stored('user/anthropic_api_key')],
      true,
    ],
    [
      'after a used up one',
      [stored('user/claude_oauth', { limitedUntil: FUTURE }), stored('user/anthropic_api_key')],
      true,
    ],
    [
      'after one that never could',
      [
        stored('user/anthropic_wif', { unobtainable: 'no tokens for it here' }),
        stored('organization/anthropic_api_key'),
      ],
      false,
    ],
    ['nowhere', [stored('user/claude_oauth', { status: 'rejected' })], false],
  ])('the one that serves %s is a fallback', (_, facts, isFallback) => {
    expect(resolve('claude', facts, policyOf('on'), NOW).isFallback).toBe(isFallback);
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
