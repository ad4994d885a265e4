import { authorizationOf, signatureOf } from '../../../../test/emulators/aws-signature.js';
import { Secret } from '../../../kernel/index.js';
import type { HeldCredential } from '../../leases.js';
import { signedHeaders } from './signature.js';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const NOW = new Date('2026-11-26T12:00:00Z');
const path = '/base/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ax%2Fy/invoke';

function key(sessionToken: string | null): HeldCredential {
  const token = sessionToken === null ? null : new Secret(sessionToken);
  const aws = { accessKeyId: 'AKIDEXAMPLE', sessionToken: token, region: 'eu-west-1' };
  return { kind: 'aws_bedrock', secret: new Secret(SECRET), accountId: null, aws, git: null };
}

describe('a signed request', () => {
  it.each([null, 'session+token/=='])(
    'has the signature that AWS computes, with session token %j',
    async (token) => {
      const host = 'bedrock-runtime.eu-west-1.amazonaws.com';
      const body = Buffer.from('{"messages":["Grüße"]}');
      const toSign = { path, host, headers: { 'content-type': 'application/json' }, body };
      const list = await signedHeaders(toSign, key(token), NOW);
      const pairs = Array.from({ length: list.length / 2 }, (_, at) => [list[2 * at], list[2 * at + 1]]);
      const headers = Object.fromEntries(pairs) as Record<string, string>;
      const authorization = authorizationOf(headers.authorization);
      if (!authorization) throw new Error('unsigned');
      expect(authorization).toMatchObject({
        accessKeyId: 'AKIDEXAMPLE',
        day: '20261126',
        region: 'eu-west-1',
      });
      expect(authorization.service).toBe('bedrock');
      const names = ['content-type', 'host', 'x-amz-content-sha256', 'x-amz-date'];
      expect(authorization.signedHeaders).toEqual(
        token === null ? names : [...names, 'x-amz-security-token'],
      );
      expect(headers).toMatchObject({ host, 'x-amz-date': '20261126T120000Z' });
      expect(headers['x-amz-security-token']).toBe(token ?? undefined);
      const request = { method: 'POST', url: path, headers, body };
      expect(signatureOf(request, authorization, SECRET).signature).toBe(authorization.signature);
    },
  );
});
