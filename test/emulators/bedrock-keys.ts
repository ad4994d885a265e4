import type { IncomingHttpHeaders } from 'node:http';
import { authorizationOf, signatureOf, type Authorization, type SignedRequest } from './aws-signature.js';
import type { BedrockError } from './bedrock-errors.js';

/** An AWS key as its owner has it. */
export interface AwsKey {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const MAX_SKEW_MS = 5 * 60_000;
const MUST_BE_SIGNED = ['host', 'x-amz-date'];

/** The keys that AWS knows, and what it says to those that sign wrongly (providers.md 5.3). */
export class AwsKeys {
  readonly #known = new Map<string, AwsKey>();
  readonly #expired = new Set<string>();

  accept(key: AwsKey): void {
    this.#known.set(key.accessKeyId, key);
    this.#expired.delete(key.accessKeyId);
  }

  /** Its session has run out. */
  expire(accessKeyId: string): void {
    this.#expired.add(accessKeyId);
  }

  revoke(accessKeyId: string): void {
    this.#known.delete(accessKeyId);
  }

  /** What is wrong with a request's signature; null: nothing. */
  refuse(request: SignedRequest, region: string, now: Date): BedrockError | null {
    const { headers } = request;
    if (headers.authorization === undefined)
      return { code: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' };
    const authorization = authorizationOf(headers.authorization);
    if (!authorization) return { code: 'IncompleteSignatureException', message: headers.authorization };
    const key = this.#known.get(authorization.accessKeyId);
    if (!key || key.sessionToken !== tokenOf(headers))
      return {
        code: 'UnrecognizedClientException',
        message: 'The security token included in the request is invalid.',
      };
    if (this.#expired.has(key.accessKeyId))
      return {
        code: 'ExpiredTokenException',
        message: 'The security token included in the request is expired',
      };
    return (
      refuseScope(authorization, region) ??
      refuseTime(headers, authorization, now) ??
      refuseSignature(request, authorization, key)
    );
  }
}

function refuseScope({ service, region }: Authorization, expected: string): BedrockError | null {
  if (service !== 'bedrock') return invalid("Credential should be scoped to correct service: 'bedrock'.");
  if (region !== expected) return invalid(`Credential should be scoped to a valid region, not '${region}'.`);
  return null;
}

function refuseTime(headers: IncomingHttpHeaders, { day }: Authorization, now: Date): BedrockError | null {
  const time = String(headers['x-amz-date']);
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Number.isNaN(at) || !time.startsWith(day))
    return invalid('Date in Credential scope does not match the request.');
  if (at < now.getTime() - MAX_SKEW_MS)
    return invalid(`Signature expired: ${time} is now earlier than ${now.toISOString()} (5 min.)`);
  if (at > now.getTime() + MAX_SKEW_MS)
    return invalid(`Signature not yet current: ${time} is still later than ${now.toISOString()} (5 min.)`);
  return null;
}

function refuseSignature(
  request: SignedRequest,
  authorization: Authorization,
  key: AwsKey,
): BedrockError | null {
  const { signedHeaders } = authorization;
  const must = key.sessionToken === undefined ? MUST_BE_SIGNED : [...MUST_BE_SIGNED, 'x-amz-security-token'];
  const unsigned = must.find((name) => !signedHeaders.includes(name));
  if (unsigned !== undefined)
    return invalid(`'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`);
  // Proxies change it on the way; who signs it is refused sooner or later.
  if (signedHeaders.includes('connection')) return invalid("'connection' must not be signed.");
  const { signature, canonicalRequest } = signatureOf(request, authorization, key.secretAccessKey);
  if (signature === authorization.signature) return null;
  // AWS says in full what it had expected, a session token in it too.
  return invalid(
    `The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.\n\nThe Canonical String for this request should have been\n'${canonicalRequest}'`,
  );
}

function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  return headers['x-amz-security-token'] as string | undefined;
}

function invalid(message: string): BedrockError {
  return { code: 'InvalidSignatureException', message };
}
