import { authorizationOf, signatureOf } from './aws-signature.js';

/** Of the test suite that AWS publishes for Signature Version 4. */
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const base = { host: 'example.amazonaws.com', 'x-amz-date': '20150830T123600Z' };
const TOKEN =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';

const names = (headers: object): string => Object.keys(headers).sort().join(';');

describe('the signature that a request must have', () => {
  it.each<[string, string, string, Record<string, string>, string, string]>([
    ['get-vanilla', 'GET', '/', base, '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['get-utf8', 'GET', '/ሴ', base, '', '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85'],
    [
      'get-vanilla-query-order-key-case',
      'GET',
      '/?Param2=value2&Param1=value1',
      base,
      '',
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'post-vanilla',
      'POST',
      '/',
      base,
      '',
      '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    ],
    [
      'post-x-www-form-urlencoded',
      'POST',
      '/',
      { ...base, 'content-type': 'application/x-www-form-urlencoded' },
      'Param1=value1',
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
    [
      'post-sts-header-before',
      'POST',
      '/',
      { ...base, 'x-amz-security-token': TOKEN },
      '',
      '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
    ],
  ])('%s', (_, method, url, headers, body, expected) => {
    const authorization = authorizationOf(
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${names(headers)}, Signature=${expected}`,
    );
    if (!authorization) throw new Error('unreadable');
    const request = { method, url, headers, body: Buffer.from(body) };
    expect(signatureOf(request, authorization, SECRET).signature).toBe(authorization.signature);
  });

  it.each(['', 'Bearer x', 'AWS4-HMAC-SHA256 Credential=a/b, Signature=c'])(
    'is not found in %j',
    (header) => {
      expect(authorizationOf(header)).toBeNull();
    },
  );
});
