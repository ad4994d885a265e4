import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../kernel/index.js';

const DIGEST = /^[0-9a-f]{64}$/;

/**
 * Whether `digest` is the HMAC-SHA256 of these bytes by one of the secrets, in lower-case hex. Compared in constant time, and with each of the secrets whichever fits: how long it takes tells nothing of
 * any. What is no digest at all is refused by its form, of which its sender knows.
 */
export function isSignedBy(secrets: readonly Secret[], bytes: Uint8Array, digest: string): boolean {
  if (!DIGEST.test(digest)) return false;
  const given = Buffer.from(digest, 'hex');
  let isSigned = false;
  for (const secret of secrets) {
    const own = createHmac('sha256', secret.reveal()).update(bytes).digest();
    isSigned = timingSafeEqual(own, given) || isSigned;
  }
  return isSigned;
}
