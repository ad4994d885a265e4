import type { IdentityOf } from '../../config/proxy-alone.js';
import { Secret } from '../../kernel/index.js';
import { EXCHANGE_LIMITS, post, tokenIn, word, type Posted } from '../../oauth/index.js';
import { field } from '../json.js';
import { denied, failed, unanswered } from './ends.js';
import type { Obtained } from './identity.js';

const PROVIDER = 'AWS STS';
/** Its words for what is wrong until somebody mends it. An `ExpiredToken` is not among them: the next one may be good. */
const FOR_GOOD = new Set([
  'AccessDenied',
  'IDPRejectedClaim',
  'InvalidIdentityToken',
  'MalformedPolicyDocument',
  'PackedPolicyTooLarge',
  'RegionDisabledException',
  'ValidationError',
]);

/** The key of a role for a while, with which calls are signed. In a body and not in a query, as GitHub's sidecar has it: queries are logged on the way. */
export async function obtainFromAws(
  { stsUrl, roleArn, roleSessionName, region }: IdentityOf<'aws'>,
  assertion: string,
): Promise<Obtained> {
  const form = {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: roleSessionName,
    WebIdentityToken: assertion,
  };
  const posted = await post(`${stsUrl}/`, { form }, EXCHANGE_LIMITS);
  if (posted.kind !== 'answered') return unanswered(PROVIDER, posted);
  if (posted.status !== 200) return refusal(posted);
  const response = field(posted.body, 'AssumeRoleWithWebIdentityResponse');
  const credentials = field(field(response, 'AssumeRoleWithWebIdentityResult'), 'Credentials');
  const [accessKeyId, secret, session] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map((name) =>
    tokenIn(field(credentials, name)),
  );
  const expiresAt = timeIn(field(credentials, 'Expiration'));
  if (!accessKeyId || !secret || !session || !expiresAt)
    return failed(`The answer of ${PROVIDER} holds no key`);
  const [secretAccessKey, sessionToken] = [new Secret(secret), new Secret(session)];
  return {
    outcome: 'obtained',
    lend: () => ({
      kind: 'aws_bedrock',
      accessKeyId,
      secretAccessKey: secretAccessKey.reveal(),
      sessionToken: sessionToken.reveal(),
      region,
    }),
    expiresAt,
  };
}

/** In JSON it is in seconds since 1970, elsewhere of AWS a text. */
function timeIn(value: unknown): Date | null {
  const milliseconds = typeof value === 'number' ? value * 1000 : Date.parse(String(value));
  return Number.isFinite(milliseconds) ? new Date(milliseconds) : null;
}

function refusal({ status, body, retryAfterSeconds }: Extract<Posted, { kind: 'answered' }>): Obtained {
  const code = word(field(field(body, 'Error'), 'Code'));
  if (code !== null && FOR_GOOD.has(code))
    return denied(`${PROVIDER} denied the identity of this proxy (${code})`);
  const said = code === null ? '' : ` (${code})`;
  return failed(`${PROVIDER} answered with status ${status}${said}`, retryAfterSeconds);
}
