import type { Secret } from '../../kernel/index.js';
import { isSignedBy } from '../webhooks/signature.js';

/** How far the signed time may be from ours (linear.app/developers/webhooks). */
const WINDOW_MS = 60_000;

/** Whether the header `Linear-Signature` proves these bytes. */
export function isFromLinear(
  secrets: readonly Secret[],
  bytes: Uint8Array,
  header: string | undefined,
): boolean {
  return header !== undefined && isSignedBy(secrets, bytes, header);
}

/** Whether what was signed was signed about now. Only the time inside the signed body counts: a header is anybody's to write. */
export function isInTime(webhookTimestamp: number, now: Date): boolean {
  return Math.abs(now.getTime() - webhookTimestamp) <= WINDOW_MS;
}
