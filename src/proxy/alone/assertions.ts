import { readFile } from 'node:fs/promises';
import type { AssertionSettings } from '../../config/proxy-alone.js';
import { field } from '../json.js';
import { EXCHANGE_LIMITS, get, tokenIn } from '../../oauth/index.js';
import { failed, unanswered } from './ends.js';
import type { Failed } from './identity.js';

/** A signed token that says who this proxy is, good for one exchange; or why there is none. */
export type Asserted = { assertion: string } | Failed;

/** Gets a new one each time: none is kept, since it lives for minutes only. Never rejects. */
export function assert(settings: AssertionSettings): Promise<Asserted> {
  return settings.from === 'github' ? ofGithub(settings) : ofFile(settings.path);
}

/** providers.md 3: the address has a query, and the audience is added to it. */
async function ofGithub({
  requestUrl,
  requestToken,
  audience,
}: Extract<AssertionSettings, { from: 'github' }>): Promise<Asserted> {
  const separator = requestUrl.includes('?') ? '&' : '?';
  const answer = await get(
    `${requestUrl}${separator}audience=${encodeURIComponent(audience)}`,
    { authorization: `Bearer ${requestToken.reveal()}` },
    EXCHANGE_LIMITS,
  );
  if (answer.kind !== 'answered') return unanswered("GitHub's token service", answer);
  const { status, retryAfterSeconds } = answer;
  if (status !== 200)
    return failed(`GitHub's token service answered with status ${status}`, retryAfterSeconds);
  const assertion = tokenIn(field(answer.body, 'value'));
  return assertion ? { assertion } : failed("The answer of GitHub's token service holds no token");
}

async function ofFile(path: string): Promise<Asserted> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = field(error, 'code');
    return failed(`The file of ANTHROPIC_IDENTITY_TOKEN_FILE cannot be read (${String(code)})`);
  }
  const assertion = tokenIn(text.trim());
  return assertion ? { assertion } : failed('The file of ANTHROPIC_IDENTITY_TOKEN_FILE holds no token');
}
