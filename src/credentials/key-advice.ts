import type { KeysView } from '../contracts/index.js';

type Facts = Omit<KeysView, 'advice'>;

/** What to do next, in words; from what this process and the database know. */
export function adviceOf({ sealingKey, keys, rotation }: Facts): string[] {
  const rowsOf = (key: Facts['keys'][number]): number => Object.values(key.rows).reduce((a, b) => a + b, 0);
  const left = keys.filter((key) => key.id !== (rotation?.target ?? sealingKey) && rowsOf(key) > 0);
  const removable = keys.filter((key) => key.inRing && key.retiredAt !== null && rowsOf(key) === 0);
  const missing = keys.filter((key) => !key.inRing && key.retiredAt === null);
  const names = (some: Facts['keys']): string => some.map(({ id }) => `"${id}"`).join(', ');
  const advice: string[] = [];
  if (missing.length > 0)
    advice.push(
      `The key ring of the Berth that answered lacks ${names(missing)}, with which the database is sealed. Give every replica the same BERTH_ENCRYPTION_KEYS.`,
    );
  if (rotation?.state === 'running') {
    const rows = left.reduce((sum, key) => sum + rowsOf(key), 0);
    advice.push(
      rotation.target === sealingKey
        ? `Rotation to "${rotation.target}" is under way: ${rows} rows are left. Keep all keys until it is finished.`
        : `Rotation to "${rotation.target}" is under way, but the Berth that answered seals with "${sealingKey}": put "${rotation.target}" first in BERTH_ENCRYPTION_KEYS everywhere.`,
    );
  } else if (left.length > 0) {
    advice.push(
      `Rows are still sealed with ${names(left)}. Rotate to seal them with "${sealingKey}" ("berth keys rotate", or POST /api/v1/instance/keys/rotate).`,
    );
  }
  if (removable.length > 0)
    advice.push(
      `${names(removable)} may be removed from BERTH_ENCRYPTION_KEYS now. Backups of the database from before the rotation still need it.`,
    );
  if (advice.length === 0)
    advice.push(
      `Everything is sealed with "${sealingKey}". To rotate, put a new key first in BERTH_ENCRYPTION_KEYS (with Berth's own Postgres: in the file encryption-keys of the data directory), keep the others behind it, and restart.`,
    );
  return advice;
}
