import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** A real git repository of the test's own. */
export interface Repository {
  /** `file://…`. */
  url: string;
  /** Runs git on it; answers the standard output without the last line break. Rejects with git's own words. */
  git(...args: string[]): Promise<string>;
}

/** The repository in a folder that holds one already (bare or not). */
export function repositoryAt(folder: string): Repository {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('git', args, {
      cwd: folder,
      // Nothing of this machine's git settings, and no question, may decide how a test ends.
      env: { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
    });
    return stdout.replace(/\n$/, '');
  };
  return { url: pathToFileURL(folder).href, git };
}

/** Makes a repository as a person has one: checked out on `main`, with one commit. */
export async function makeRepository(folder: string): Promise<Repository> {
  await mkdir(folder, { recursive: true });
  const repository = repositoryAt(folder);
  await repository.git('init', '--quiet', '--initial-branch=main');
  const person = ['-c', 'user.name=Grace Hopper', '-c', 'user.email=grace@example.com'];
  await repository.git(...person, 'commit', '--quiet', '--allow-empty', '-m', 'First commit');
  return repository;
}
