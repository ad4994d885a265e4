import { FlattenedEncrypt, flattenedDecrypt, type FlattenedJWE } from 'jose';
import { BerthError, messageOf } from '../kernel/index.js';

/** One key of the ring: 32 bytes with a name. */
export interface RingKey {
  id: string;
  key: Uint8Array;
}

/** What is sealed, by name: `credential` a secret of a member or organization, `login-attempt` what proves an attempt to connect a login, `connection-attempt` the same at a system where people ask for work, `minted-token` a token that a workspace has of its own, `issuer-key` the private part of a key that Berth signs with, `github-app` the secrets of the App at GitHub, `key-proof` the text by which a key of the ring is known again, `idempotent-answer` an answer kept for a retry. */
export type SealedPurpose =
  | 'credential'
  | 'login-attempt'
  | 'connection-attempt'
  | 'minted-token'
  | 'issuer-key'
  | 'github-app'
  | 'key-proof'
  | 'idempotent-answer';

/**
 * Where a sealed text belongs. It opens nowhere else: a row copied to another organization, another row, or a row of another kind stays shut. What belongs to no
 * organization names `instance` as its own.
 */
export interface SealedPlace {
  purpose: SealedPurpose;
  organizationId: string;
  rowId: string;
}

export interface Sealed {
  text: string;
  keyId: string;
}

/**
 * Seals and opens secrets: JWE (RFC 7516) in flattened JSON, AES-256-GCM under a key of its own per secret, which is wrapped (A256GCMKW) by a key of the
 * ring; by the `jose` library. The place is the additional authenticated data. The first key seals, all keys open.
 */
export class Vault {
  readonly #ring: Map<string, Uint8Array>;
  readonly #sealingKey: RingKey;

  constructor(ring: readonly RingKey[]) {
    const [first] = ring;
    if (!first) throw new BerthError('config-invalid', 'BERTH_ENCRYPTION_KEYS: holds no key.');
    this.#sealingKey = first;
    this.#ring = new Map(ring.map(({ id, key }) => [id, key]));
  }

  get sealingKeyId(): string {
    return this.#sealingKey.id;
  }

  /** Of the whole ring, the one that seals first. */
  get keyIds(): string[] {
    return [...this.#ring.keys()];
  }

  has(keyId: string): boolean {
    return this.#ring.has(keyId);
  }

  /** With the first key, or with another of the ring. Throws `encryption-key-missing`. */
  async seal(plaintext: string, place: SealedPlace, keyId = this.#sealingKey.id): Promise<Sealed> {
    const key = this.#keyOf(keyId);
    return { text: JSON.stringify(await encrypt(plaintext, keyId, key, place)), keyId };
  }

  /**
   * Throws `encryption-key-missing` when this process has not got the key (another replica may seal with a newer ring: nothing is wrong with the text), and
   * `key-ring-mismatch` when the text was changed, is not in its place, or the key only has the same name.
   */
  async open(sealed: string, place: SealedPlace): Promise<string> {
    try {
      const jwe = JSON.parse(sealed) as FlattenedJWE;
      const { plaintext, additionalAuthenticatedData } = await flattenedDecrypt(
        jwe,
        (header) => this.#keyOf(header?.kid),
        { keyManagementAlgorithms: ['A256GCMKW'], contentEncryptionAlgorithms: ['A256GCM'] },
      );
      // Decryption proves that the place inside is the one it was sealed for; that it is this one is for us to compare.
      if (Buffer.from(additionalAuthenticatedData ?? []).toString() !== placeText(place))
        throw new Error('sealed for another place');
      return Buffer.from(plaintext).toString();
    } catch (error) {
      if (error instanceof BerthError) throw error;
      throw new BerthError(
        'key-ring-mismatch',
        `A stored ${place.purpose} does not open: ${messageOf(error)}.${place.purpose === 'credential' ? ' Set the credential anew.' : ''}`,
        { cause: error },
      );
    }
  }

  #keyOf(kid: string | undefined): Uint8Array {
    const key = kid ? this.#ring.get(kid) : undefined;
    if (!key)
      throw new BerthError(
        'encryption-key-missing',
        `The encryption key ${kid ?? '(unnamed)'} is missing from BERTH_ENCRYPTION_KEYS of the Berth that answered. Give all of them the same key ring.`,
        { retryAfterSeconds: 5 },
      );
    return key;
  }
}

async function encrypt(
  plaintext: string,
  kid: string,
  key: Uint8Array,
  place: SealedPlace,
): Promise<FlattenedJWE> {
  return new FlattenedEncrypt(Buffer.from(plaintext))
    .setProtectedHeader({ alg: 'A256GCMKW', enc: 'A256GCM', kid })
    .setAdditionalAuthenticatedData(Buffer.from(placeText(place)))
    .encrypt(key);
}

/** No purpose holds a colon, so that no two places read the same. */
function placeText({ purpose, organizationId, rowId }: SealedPlace): string {
  return `berth:${purpose}:${organizationId}:${rowId}`;
}
