import { randomBytes } from 'node:crypto';
import type { Config } from '../../config/index.js';
import { checkKeyRing, Vault } from '../../credentials/index.js';
import { inspectDatabase, readSealingKeys } from '../../database/index.js';
import { checkTie } from '../data-directory.js';
import { keyRingOf } from '../key-file.js';
import { ok, type Finding } from './report.js';

/** The keys are those the database was sealed with, and the data directory is its own. Wrong ones throw with what to do; none is made or kept. */
export async function keyRing(ownerUrl: string | null, config: Config): Promise<Finding> {
  const { encryptionKeys, dataDirectory } = config;
  const { keys } = encryptionKeys ? { keys: encryptionKeys } : await keyRingOf(dataDirectory, randomBytes);
  const booked = ownerUrl === null ? [] : await readSealingKeys(ownerUrl);
  await checkKeyRing(new Vault(keys), booked);
  const instanceId = ownerUrl === null ? null : (await inspectDatabase(ownerUrl)).instanceId;
  if (instanceId !== null) await checkTie(dataDirectory, instanceId);
  if (booked.length > 0) return ok('the keys and the data directory belong to this database');
  return ok(encryptionKeys ? 'nothing is sealed yet' : 'made at the first start, unless it is there');
}
