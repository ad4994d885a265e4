import type { IdentityOf } from '../../config/proxy-alone.js';
import { Secret, type Clock } from '../../kernel/index.js';
import { endOf, EXCHANGE_LIMITS, post, tokenIn, wordOf, type Posted } from '../../oauth/index.js';
import { field } from '../json.js';
import { denied, failed, unanswered } from './ends.js';
import type { Obtained } from './identity.js';

const PROVIDER = 'Azure';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** OAuth's words for what is wrong until somebody mends it (RFC 6749, 5.2). */
const FOR_GOOD = new Set([
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_resource',
  'invalid_scope',
  'unauthorized_client',
]);

/** A token of Azure for its OpenAI service, which takes it as a bearer: the identity is the assertion of a client that has no secret. */
export async function obtainFromAzure(
  { tokenUrl, clientId, scope }: IdentityOf<'azure'>,
  assertion: string,
  clock: Clock,
): Promise<Obtained> {
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_assertion_type: ASSERTION,
    client_assertion: assertion,
    scope,
  };
  const posted = await post(tokenUrl, { form }, EXCHANGE_LIMITS);
  if (posted.kind !== 'answered') return unanswered(PROVIDER, posted);
  const text = posted.status === 200 ? tokenIn(field(posted.body, 'access_token')) : null;
  if (!text) return refusal(posted);
  const token = new Secret(text);
  return {
    outcome: 'obtained',
    lend: () => ({ kind: 'openai_api_key', apiKey: token.reveal() }),
    expiresAt: endOf(field(posted.body, 'expires_in'), null, clock.now()),
  };
}

/** Azure says why in a number (AADSTS…); its texts repeat what was sent. */
function refusal({ status, body, retryAfterSeconds }: Extract<Posted, { kind: 'answered' }>): Obtained {
  const word = body ? wordOf(body) : null;
  const codes = field(body, 'error_codes');
  const numbers = Array.isArray(codes) ? codes.filter((code) => typeof code === 'number') : [];
  const said = [word, ...numbers.map((code) => `AADSTS${code}`)].filter((part) => part !== null).join(', ');
  const isForGood = word !== null && FOR_GOOD.has(word) && (status === 400 || status === 401);
  if (isForGood) return denied(`${PROVIDER} denied the identity of this proxy (${said})`);
  return failed(
    `${PROVIDER}'s token endpoint answered with status ${status}${said === '' ? '' : ` (${said})`}`,
    retryAfterSeconds,
  );
}
