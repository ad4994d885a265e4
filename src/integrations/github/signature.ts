import type { Secret } from '../../kernel/index.js';
import { isSignedBy } from '../webhooks/signature.js';

const PREFIX = 'sha256=';

/** Whether the header `X-Hub-Signature-256` (docs.github.com, "Validating webhook deliveries") proves these bytes. */
export function isFromGithub(
  secrets: readonly Secret[],
  bytes: Uint8Array,
  header: string | undefined,
): boolean {
  return (
    header !== undefined &&
    header.startsWith(PREFIX) &&
    isSignedBy(secrets, bytes, header.slice(PREFIX.length))
  );
}
