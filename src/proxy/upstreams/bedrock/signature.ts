import { Sha256 } from '@smithy/core/checksum';
import { clearCredentialCache, SignatureV4 } from '@smithy/signature-v4';
import type { HeaderList } from '../../headers.js';
import type { HeldCredential } from '../../leases.js';

export interface ToSign {
  /** As on the wire, with all that stands before it. */
  path: string;
  host: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** AWS's name for Bedrock in a signature; also of its runtime's hosts (providers.md 5.1). */
const SERVICE = 'bedrock';

/** The headers of a POST to Bedrock with its signature (version 4): complete, since whatever is added afterwards is not signed. */
export async function signedHeaders(
  { path, host, headers, body }: ToSign,
  { secret, aws }: HeldCredential,
  now: Date,
): Promise<HeaderList> {
  if (!aws) throw new Error('Only an AWS key signs.');
  const { accessKeyId, sessionToken, region } = aws;
  const signer = new SignatureV4({
    service: SERVICE,
    region,
    credentials: {
      accessKeyId,
      secretAccessKey: secret.reveal(),
      ...(sessionToken ? { sessionToken: sessionToken.reveal() } : {}),
    },
    sha256: Sha256,
  });
  const request = { method: 'POST', protocol: 'https:', hostname: host, path, query: {}, body };
  try {
    const signed = await signer.sign({ ...request, headers: { ...headers, host } }, { signingDate: now });
    return Object.entries(signed.headers).flat();
  } finally {
    // The library keeps what it derived of fifty keys, by their session tokens. Nothing of a key is to outlive its lease; to derive it anew takes microseconds.
    clearCredentialCache();
  }
}
