import type { IdentityOf } from '../../config/proxy-alone.js';
import { Secret, type Clock } from '../../kernel/index.js';
import { endOf, EXCHANGE_LIMITS, post, tokenIn, word, wordOf, type Posted } from '../../oauth/index.js';
import { field } from '../json.js';
import { denied, failed, unanswered } from './ends.js';
import type { Obtained } from './identity.js';

const PROVIDER = 'Google';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** OAuth's words, and Google's own, for what is wrong until somebody mends it. */
const FOR_GOOD = new Set([
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_target',
  'unauthorized_client',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
]);

type Source = IdentityOf<'gcp'>;
interface Token {
  text: string;
  expiresAt: Date;
}

/** A token of Google for Vertex: of the identity itself, or of a service account that it may speak for. */
export async function obtainFromGcp(source: Source, assertion: string, clock: Clock): Promise<Obtained> {
  const federated = await exchanged(source, assertion, clock);
  if ('outcome' in federated) return federated;
  const { serviceAccount } = source;
  const token =
    serviceAccount === null ? federated : await impersonated(source, serviceAccount, federated.text);
  if ('outcome' in token) return token;
  const secret = new Secret(token.text);
  return {
    outcome: 'obtained',
    // What the wire of Vertex sends as a bearer.
    lend: () => ({ kind: 'anthropic_wif', token: secret.reveal() }),
    expiresAt: token.expiresAt,
  };
}

async function exchanged(
  { stsUrl, workloadIdentityProvider }: Source,
  assertion: string,
  clock: Clock,
): Promise<Token | Obtained> {
  const json = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: `//iam.googleapis.com/${workloadIdentityProvider}`,
    scope: SCOPE,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: assertion,
  };
  const posted = await post(`${stsUrl}/v1/token`, { json }, EXCHANGE_LIMITS);
  if (posted.kind !== 'answered') return unanswered(PROVIDER, posted);
  const text = posted.status === 200 ? tokenIn(field(posted.body, 'access_token')) : null;
  if (!text) return refusal(posted);
  return { text, expiresAt: endOf(field(posted.body, 'expires_in'), null, clock.now()) };
}

async function impersonated(
  { iamUrl, scope }: Source,
  serviceAccount: string,
  federated: string,
): Promise<Token | Obtained> {
  const url = `${iamUrl}/v1/projects/-/serviceAccounts/${encodeURIComponent(serviceAccount)}:generateAccessToken`;
  const headers = { authorization: `Bearer ${federated}` };
  const posted = await post(url, { json: { scope: [scope], lifetime: '3600s' }, headers }, EXCHANGE_LIMITS);
  if (posted.kind !== 'answered') return unanswered(PROVIDER, posted);
  const text = posted.status === 200 ? tokenIn(field(posted.body, 'accessToken')) : null;
  const expiresAt = new Date(String(field(posted.body, 'expireTime')));
  return text && !Number.isNaN(expiresAt.getTime()) ? { text, expiresAt } : refusal(posted);
}

/** The token service speaks OAuth, the one for service accounts as all of Google's do; their texts may repeat what was sent. */
function refusal({ status, body, retryAfterSeconds }: Extract<Posted, { kind: 'answered' }>): Obtained {
  const said = word(field(field(body, 'error'), 'status')) ?? (body ? wordOf(body) : null);
  if (said !== null && FOR_GOOD.has(said))
    return denied(`${PROVIDER} denied the identity of this proxy (${said})`);
  return failed(
    `${PROVIDER}'s token endpoint answered with status ${status}${said === null ? '' : ` (${said})`}`,
    retryAfterSeconds,
  );
}
