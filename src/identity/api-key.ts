import { createHash, timingSafeEqual } from 'node:crypto';

/** Makes random bytes; an argument so that tests can say which. */
export type RandomBytes = (size: number) => Buffer;

const KEY = /^berth_([a-z2-7]{8})_([A-Za-z0-9_-]{43})$/;
const PREFIX_BYTES = 5;
const SECRET_BYTES = 32;

/** `berth_<prefix>_<secret>`: found by the prefix, which may be shown; proven by the secret, of which only the hash is stored. */
export function newApiKey(random: RandomBytes): { text: string; prefix: string; hash: string } {
  const prefix = base32(random(PREFIX_BYTES));
  const text = `berth_${prefix}_${random(SECRET_BYTES).toString('base64url')}`;
  return { text, prefix, hash: hashToken(text) };
}

/** The prefix of a well-formed key; null for anything else. */
export function prefixOf(text: string): string | null {
  return KEY.exec(text)?.[1] ?? null;
}

/** A token with 256 random bits needs no slow hash: it cannot be guessed. */
export function hashToken(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Compares in constant time, so that the answer's delay says nothing about how much was right. */
export function hashMatches(text: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashToken(text), 'hex'), Buffer.from(hash, 'hex'));
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648 base32 in lower case, of a multiple of five bytes. */
function base32(bytes: Buffer): string {
  let bits = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let at = 0; at < (bytes.length * 8) / 5; at++) {
    text = (ALPHABET[Number(bits & 31n)] ?? '') + text;
    bits >>= 5n;
  }
  return text;
}
