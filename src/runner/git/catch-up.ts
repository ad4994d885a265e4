import type { RepositorySource } from '../../contracts/runner.js';
import { identityEnvironment, type Person } from '../environment.js';
import type { Bind } from '../sandbox/sandbox.js';
import { GitFailure } from './failure.js';
import type { Git, GitCommandOptions } from './git.js';

export interface CatchUpOptions {
  git: Git;
  repository: RepositorySource;
  /** What others move: in full, as the repository names it. */
  ref: string;
  /** Shows a `file` repository. */
  binds: readonly Bind[];
  /** The commit that was last known to be there. */
  seen: string | null;
  /** For whom work of the tree is joined with that of others. */
  author: Person;
  signal?: AbortSignal | undefined;
}

/**
 * How the tree stands to what others pushed, of which `head` is the last commit. `same`: the tree has it all. `taken`: it has it now; so many `commits` were new, or (null) what was there before was rewritten. `conflict`: it could not be joined with
 * the work of the tree, which is as it was. `gone`: there is no such ref any more.
 */
export type CaughtUp =
  | { state: 'same'; head: string }
  | { state: 'taken'; head: string; commits: number | null }
  | { state: 'conflict'; head: string; files: string[] }
  | { state: 'gone' };

const FETCH_TIMEOUT_SECONDS = 900;

/** Under which name the tree keeps what it saw of a ref: where the agent looks for a branch of origin. */
export function trackingRef(ref: string): string {
  return `refs/remotes/origin/${ref.replace(/^refs\/(heads\/)?/, '')}`;
}

/** Brings what others pushed into the tree, and throws nothing of either side away. Throws GitFailure when the repository is not reached. */
export async function catchUp(options: CatchUpOptions): Promise<CaughtUp> {
  const { git, ref, seen, signal } = options;
  const head = await fetched(options);
  if (head === null) return { state: 'gone' };
  // What others took back is not brought in again by the work that was built on it.
  const isRewritten =
    seen !== null && !(await isAncestor(options, seen, head)) && (await isAncestor(options, seen, 'HEAD'));
  if (!isRewritten && (await isAncestor(options, head, 'HEAD'))) return { state: 'same', head };
  const { stdout } = await git.try(['rev-list', '--count', `HEAD..${head}`], { signal });
  const joined = isRewritten ? await moveOnto(options, seen, head) : await merge(options, head, ref);
  if (!joined.done) return { state: 'conflict', head, files: joined.files };
  return { state: 'taken', head, commits: isRewritten ? null : Number(stdout) };
}

/** By URL, not by the name `origin`, which the agent may have pointed elsewhere. */
async function fetched({ git, repository, ref, binds, signal }: CatchUpOptions): Promise<string | null> {
  const from = repository.type === 'https' ? repository.url : repository.path;
  const kept = trackingRef(ref);
  try {
    await git.run(
      ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--', from, `+${ref}:${kept}`],
      {
        network: repository.type === 'https' ? 'proxy' : 'none',
        binds,
        signal,
        timeoutSeconds: FETCH_TIMEOUT_SECONDS,
      },
    );
  } catch (error) {
    if (error instanceof GitFailure && error.code === 'ref-not-found') return null;
    throw error;
  }
  return git.run(['rev-parse', '--verify', `${kept}^{commit}`], { signal });
}

async function isAncestor({ git, signal }: CatchUpOptions, older: string, newer: string): Promise<boolean> {
  return (await git.try(['merge-base', '--is-ancestor', older, newer], { signal })).code === 0;
}

interface Joined {
  done: boolean;
  /** Where both sides changed the same. */
  files: string[];
}

async function merge(options: CatchUpOptions, head: string, ref: string): Promise<Joined> {
  const message = `Merge what was pushed to ${ref.replace(/^refs\/(heads\/)?/, '')} meanwhile`;
  const flags = ['--quiet', '--no-edit', '--no-verify', '--no-gpg-sign', '--no-stat', '--no-autostash'];
  return join(options, ['merge', ...flags, '-m', message, head], ['merge', '--abort']);
}

/** What the tree has since `seen`, on top of `head`. Nothing: it simply goes there, with what is not committed, if that does not stand in the way. */
async function moveOnto(options: CatchUpOptions, seen: string, head: string): Promise<Joined> {
  const { git, signal } = options;
  const own = await git.run(['rev-list', '--count', `${seen}..HEAD`], { signal });
  if (own === '0') return join(options, ['reset', '--quiet', '--keep', head], null);
  const flags = ['--quiet', '--no-verify', '--no-gpg-sign', '--no-autostash'];
  return join(options, ['rebase', ...flags, '--onto', head, seen], ['rebase', '--abort']);
}

async function join(
  options: CatchUpOptions,
  args: readonly string[],
  undo: readonly string[] | null,
): Promise<Joined> {
  const { git, author, signal } = options;
  const limits: GitCommandOptions = { signal, timeoutSeconds: FETCH_TIMEOUT_SECONDS };
  const result = await git.try(args, { ...limits, env: identityEnvironment(author) });
  if (result.code === 0) return { done: true, files: [] };
  const unmerged = await git.try(['diff', '--name-only', '--diff-filter=U', '-z'], limits);
  if (undo) await git.try(undo, limits);
  return { done: false, files: unmerged.stdout.split('\0').filter((name) => name !== '') };
}
