import { realpath } from 'node:fs/promises';
import type { RepositorySource } from '../contracts/index.js';
import { fileObstacle, type RepositoryPolicy } from './repository.js';

/**
 * Why this host may not open a repository's folder; null when it may, or when there is nothing to judge. Asked again where the work is done: the api that took the request may
 * run elsewhere, with other folders allowed and another data directory to keep out of.
 */
export async function folderProblem(
  source: RepositorySource,
  policy: RepositoryPolicy,
): Promise<string | null> {
  if (source.type !== 'file') return null;
  // One that is not there is told by git, in its own words.
  const real = await realpath(source.path).catch(() => source.path);
  const obstacle = fileObstacle(real, policy);
  return obstacle && `The repository cannot be used on the host of this workspace. Its folder: ${obstacle}.`;
}
