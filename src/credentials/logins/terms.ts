import type { Kind, Scope } from '../../contracts/index.js';
import { kinds } from '../kinds.js';

const RECOMMENDED =
  'An API key, AWS Bedrock or workload identity is the recommended way, and the one without these limits (docs/logins.md).';

/** What each provider's terms expect of whoever connects (providers.md 0.12 and 4.6), in words that a person reads before they agree. */
const expected = {
  claude:
    'A Claude subscription is for the person who pays for it: Anthropic’s terms do not let a product route other people’s requests through it, nor keep its login for them. ' +
    'Berth keeps this login sealed and uses it with the unmodified Claude Code. Connect only your own account, and only if you and whoever runs this Berth accept that.',
  codex:
    'A ChatGPT plan is for the person or workspace that it was bought for: OpenAI recommends API keys for automation, and expects a login to be used by one system alone. ' +
    'Berth keeps this login sealed and uses it with the unmodified Codex. Connect only your own account, and do not use the same login elsewhere.',
};

const SHARED =
  'Here it would serve every member of the organization, which the terms of a personal plan do not allow.';

/** Null for what no subscription pays for. */
export function noticeFor(kind: Kind, scope: Scope): string | null {
  const { subscription, serves } = kinds[kind];
  if (!subscription || (serves !== 'claude' && serves !== 'codex')) return null;
  return [expected[serves], ...(scope === 'organization' ? [SHARED] : []), RECOMMENDED].join(' ');
}
