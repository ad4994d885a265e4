import type { SealingKey } from '../database/index.js';
import { BerthError, messageOf, type Clock } from '../kernel/index.js';
import type { Vault, SealedPlace } from './vault.js';

/** Not a tenant's place: the known text by which a key proves that it is the one the database was sealed with. */
const proofPlace = (keyId: string): SealedPlace => ({
  purpose: 'key-proof',
  organizationId: 'instance',
  rowId: keyId,
});
/** Where proofs were sealed before a place named its purpose. They are booked in databases, and open for good. */
const formerProofPlace = (keyId: string): SealedPlace => ({
  purpose: 'credential',
  organizationId: 'instance',
  rowId: `key:${keyId}`,
});
const PROOF = 'berth';

/**
 * Refuses a start with the wrong key ring, naming the key: every key that is in use in this database (`booked`) must be in the ring, and must be the same key
 * and not only of the same name. To be asked before anything is written. Throws `key-ring-mismatch`.
 */
export async function checkKeyRing(vault: Vault, booked: readonly SealingKey[]): Promise<void> {
  const missing = booked.filter(({ id }) => !vault.has(id)).map(({ id }) => id);
  if (missing.length > 0) {
    throw new BerthError(
      'key-ring-mismatch',
      `This database was sealed with ${missing.map((id) => `the encryption key "${id}"`).join(' and ')}, which the key ring does not hold. ` +
        'Start Berth with the key ring that belongs to this database: BERTH_ENCRYPTION_KEYS, or with embedded Postgres the file encryption-keys in the ' +
        'data directory. Nothing was changed.',
    );
  }
  for (const { id, proof } of booked) {
    await openProof(vault, id, proof).catch((error: unknown) => {
      throw new BerthError(
        'key-ring-mismatch',
        `The encryption key "${id}" has the right name but is not the key this database was sealed with (${messageOf(error)}). ` +
          'Set BERTH_ENCRYPTION_KEYS (with embedded Postgres the file encryption-keys in the data directory) to the keys that belong to this database; a backup has them. Nothing was changed.',
        { cause: error },
      );
    });
  }
}

async function openProof(vault: Vault, keyId: string, proof: string): Promise<void> {
  try {
    await vault.open(proof, proofPlace(keyId));
  } catch (error) {
    await vault.open(proof, formerProofPlace(keyId)).catch(() => {
      throw error;
    });
  }
}

/** What to book of the key that seals, so that the next start can check it; null when it is booked. */
export async function sealingKeyToBook(
  vault: Vault,
  booked: readonly SealingKey[],
  clock: Clock,
): Promise<(SealingKey & { createdAt: Date }) | null> {
  const id = vault.sealingKeyId;
  if (booked.some((key) => key.id === id)) return null;
  const sealed = await vault.seal(PROOF, proofPlace(id));
  return { id, proof: sealed.text, createdAt: clock.now() };
}
