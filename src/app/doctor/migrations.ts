import { inspectMigrations } from '../../database/index.js';
import { ok, type Finding } from './report.js';

/** The schema is this version's, or would become it at the next start; a newer one, or another, throws with what to do. */
export async function migrations(ownerUrl: string | null, directory: string): Promise<Finding> {
  if (ownerUrl === null) return ok('the schema is made at the first start');
  const pending = await inspectMigrations(ownerUrl, directory);
  if (pending.length === 0) return ok('the schema is up to date');
  return ok(`the next start applies ${pending.length}: ${pending.join(', ')}`);
}
