import { existsSync, realpathSync } from 'node:fs';
import { relative } from 'node:path';
import type { RepositorySource } from '../../contracts/runner.js';
import type { Bind } from '../sandbox/sandbox.js';
import { failureOf, GitFailure } from './failure.js';

function holds(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !way.startsWith('/'));
}

/**
 * The bind that shows a `file` repository at its own path. Throws GitFailure when it is not there, or when showing it would show one of Berth's own folders
 * (`own`): a repository at `/`, or a link into the data directory, would open every workspace.
 */
export function sourceBinds(repository: RepositorySource, own: readonly string[], writable = false): Bind[] {
  if (repository.type !== 'file') return [];
  if (!existsSync(repository.path)) throw failureOf('repository-not-found');
  const source = realpathSync(repository.path);
  const folders = own.filter((folder) => existsSync(folder)).map((folder) => realpathSync(folder));
  if (source === '/' || folders.some((folder) => holds(source, folder) || holds(folder, source))) {
    throw new GitFailure(
      'repository-not-found',
      'This folder holds files of Berth itself and cannot be used as a repository. Choose another folder.',
    );
  }
  return [{ source, target: repository.path, writable }];
}
