import { addToken, answerHeaders, headerOf, removeToken, requestHeaders } from './headers.js';

describe('requestHeaders', () => {
  it.each([
    ['credentials', ['Authorization', 'Bearer x', 'X-Api-Key', 'x', 'x-api-key', 'y', 'Cookie', 'a=b']],
    ['keys of other APIs', ['X-Goog-Api-Key', 'x', 'Api-Key', 'y']],
    [
      'where it comes from',
      ['Forwarded', 'for=x', 'Via', '1.1 y', 'X-Forwarded-For', 'z', 'x-forwarded-host', 'z'],
    ],
    ['its host and length', ['Host', 'x', 'Content-Length', '3', 'Expect', '100-continue']],
    ['proxy headers', ['Proxy-Authorization', 'x', 'Proxy-Connection', 'y', 'proxy-anything', 'z']],
    [
      'hop-by-hop headers',
      ['Connection', 'close', 'Keep-Alive', 'x', 'TE', 'trailers', 'Trailer', 'x', 'Upgrade', 'h2c'],
    ],
    ['transfer coding', ['Transfer-Encoding', 'chunked', 'HTTP2-Settings', 'x']],
    [
      'what Connection names',
      ['Connection', 'X-One, x-two', 'x-one', '1', 'X-Two', '2', 'connection', 'x-three', 'x-three', '3'],
    ],
  ])('drops %s', (_name, headers) => {
    expect(requestHeaders(['Accept', 'a', ...headers, 'X-Kept', 'b'])).toEqual([
      'Accept',
      'a',
      'X-Kept',
      'b',
    ]);
  });

  it('keeps order, spelling and repetition of all else', () => {
    const headers = [
      'anthropic-Version',
      '1',
      'X-A',
      'one',
      'x-a',
      'two',
      'accept-encoding',
      'gzip, br, zstd',
      'x-proxy-a',
      'c',
    ];
    expect(requestHeaders(headers)).toEqual(headers);
  });
});

describe('answerHeaders', () => {
  it('drops connection headers, cookies and what repeats the secret', () => {
    const headers = [
      'Set-Cookie',
      'a=b',
      'connection',
      'keep-alive',
      'x-echo',
      'Bearer s3cret!',
      'content-encoding',
      'br',
    ];
    expect(answerHeaders(headers, 's3cret')).toEqual(['content-encoding', 'br']);
    expect(answerHeaders(headers, 'other', 's3cret')).toEqual(['content-encoding', 'br']);
    expect(answerHeaders(headers, '', 'other')).toEqual([
      'x-echo',
      'Bearer s3cret!',
      'content-encoding',
      'br',
    ]);
  });

  it('keeps the length, but not beside a transfer coding', () => {
    expect(answerHeaders(['content-length', '3'])).toEqual(['content-length', '3']);
    expect(answerHeaders(['Content-Length', '3', 'Transfer-Encoding', 'chunked'])).toEqual([]);
  });
});

describe('tokens of a list header', () => {
  it.each([
    [[], ['beta', 't']],
    [
      ['Beta', 'a, b'],
      ['Beta', 'a, b,t'],
    ],
    [
      ['Beta', ''],
      ['Beta', 't'],
    ],
    [
      ['beta', 'a', 'BETA', 'b'],
      ['beta', 'a,t', 'BETA', 'b'],
    ],
    [
      ['beta', 'a', 'beta', 'b, T'],
      ['beta', 'a', 'beta', 'b, T'],
    ],
    [
      ['other', 't'],
      ['other', 't', 'beta', 't'],
    ],
  ])('adds to %j', (headers, expected) => {
    addToken(headers, 'beta', 't');
    expect(headers).toEqual(expected);
  });

  it.each([
    [[], []],
    [
      ['beta', 'a, t ,b'],
      ['beta', 'a,b'],
    ],
    [['Beta', 'T'], []],
    [
      ['beta', 't', 'x', 'y', 'beta', 'a,t'],
      ['x', 'y', 'beta', 'a'],
    ],
    [
      ['beta', 'a ,b'],
      ['beta', 'a ,b'],
    ],
    [
      ['beta', 'tt'],
      ['beta', 'tt'],
    ],
  ])('removes from %j', (headers, expected) => {
    removeToken(headers, 'beta', 't');
    expect(headers).toEqual(expected);
  });
});

it('headerOf finds the first value whatever its spelling', () => {
  expect(headerOf(['X-A', '1', 'x-a', '2'], 'x-a')).toBe('1');
  expect(headerOf(['X-A', '1'], 'x-b')).toBeUndefined();
});
