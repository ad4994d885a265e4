import { createHash, randomBytes } from 'node:crypto';
import { hashMatches, hashToken, newApiKey, prefixOf } from './api-key.js';

describe('API keys', () => {
  it('are found by their prefix and proven by their hash', () => {
    const { text, prefix, hash } = newApiKey(randomBytes);
    expect(text).toMatch(/^berth_[a-z2-7]{8}_[A-Za-z0-9_-]{43}$/);
    expect(prefixOf(text)).toBe(prefix);
    expect(hashMatches(text, hash)).toBe(true);
    expect(hash).toBe(createHash('sha256').update(text).digest('hex'));
    expect(hash).not.toContain(text.slice(15, 30));
  });

  it('take all their secret from the given randomness', () => {
    const bytes = (size: number): Buffer => Buffer.alloc(size, 0xff);
    expect(newApiKey(bytes).text).toBe(`berth_77777777_${Buffer.alloc(32, 0xff).toString('base64url')}`);
    expect(newApiKey((size) => Buffer.alloc(size)).prefix).toBe('aaaaaaaa');
    // RFC 4648, section 10: base32("fooba") is MZXW6YTB.
    expect(newApiKey((size) => (size === 5 ? Buffer.from('fooba') : Buffer.alloc(size))).prefix).toBe(
      'mzxw6ytb',
    );
  });

  it('do not repeat', () => {
    const made = Array.from({ length: 500 }, () => newApiKey(randomBytes));
    expect(new Set(made.map(({ prefix }) => prefix)).size).toBe(made.length);
  });

  it('do not match when one character differs, wherever it stands', () => {
    const { text, hash } = newApiKey(randomBytes);
    for (let at = 0; at < text.length; at++) {
      const changed = text.slice(0, at) + (text[at] === 'a' ? 'b' : 'a') + text.slice(at + 1);
      if (changed !== text) expect(hashMatches(changed, hash)).toBe(false);
    }
    expect(hashMatches('', hash)).toBe(false);
    expect(hashMatches(`${text} `, hash)).toBe(false);
  });

  const secret = 'a'.repeat(43);
  it.each([
    ['', null],
    ['berth_', null],
    [`berth_abcdefgh_${secret}`, 'abcdefgh'],
    [`berth_ABCDEFGH_${secret}`, null],
    [`berth_abcdefg1_${secret}`, null],
    [`berth_abcdefgh_${secret}a`, null],
    [`berth_abcdefgh_${secret.slice(1)}`, null],
    [` berth_abcdefgh_${secret}`, null],
    [`berth_abcdefgh_${secret}\n`, null],
    [`berth_abcdefgh_${secret.slice(1)}'`, null],
    ['sk-ant-api03-abcdefghijklmnopqrstuvwxyz', null],
  ])('the prefix of %j is %p', (text, prefix) => {
    expect(prefixOf(text)).toBe(prefix);
  });

  it('hashes tokens the same way every time', () => {
    expect(hashToken('token')).toBe(hashToken('token'));
    expect(hashToken('token')).not.toBe(hashToken('Token'));
  });
});
