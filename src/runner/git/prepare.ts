import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunnerAssignment } from '../../contracts/runner.js';
import type { Bind } from '../sandbox/sandbox.js';
import { failureOf, GitFailure } from './failure.js';
import type { Git, GitCommandOptions } from './git.js';
import { readMarker, writeMarker, type Marker } from './marker.js';
import { goneSentence } from './words.js';

export interface PrepareOptions {
  git: Git;
  assignment: Pick<RunnerAssignment, 'repository' | 'ref' | 'branch' | 'fallbackBranch' | 'readOnly'>;
  /** The tree and the runner's own folder, as the host sees them. */
  tree: string;
  scratch: string;
  /** Shows the repository of a `file` source. */
  binds: readonly Bind[];
  signal: AbortSignal;
}

/** A first clone of a large repository takes its time. */
const CLONE_TIMEOUT_SECONDS = 3600;
const UNBORN = 'unborn';
const MARKER_KEY = 'berth.prepared';
/** Locks that a killed git leaves behind. No git runs between two commands of the runner, so they are nobody's. */
const STALE_LOCKS = [
  '.git/index.lock',
  '.git/HEAD.lock',
  '.git/config.lock',
  '.git/packed-refs.lock',
  '.git/shallow.lock',
];

/**
 * Clones once and checks out the workspace's branch; does nothing on a tree that is prepared already. A runner killed half-way leaves no marker, and the next one
 * starts over. There are two markers, because either may be lost for a good reason: the runner's folder when a machine is replaced, the one in
 * `.git` when the agent removes `.git`. A tree that has one of them holds somebody's work and is never emptied.
 *
 * Throws GitFailure with a reason for people, or the signal's reason.
 */
export async function prepareTree(options: PrepareOptions): Promise<Marker> {
  const known = await knownMarker(options);
  if (known !== null) {
    await removeStaleLocks(options.git, options.signal);
    writeMarker(options.scratch, known);
    return known;
  }
  await rm(join(options.scratch, 'prepared.json'), { force: true });
  await emptyFolder(options.tree);
  await clone(options);
  const start = await startingPoint(options);
  await checkOut(options, start);
  const marker: Marker = { published: start };
  await options.git.run(['config', '--local', MARKER_KEY, start ?? UNBORN], local(options));
  writeMarker(options.scratch, marker);
  return marker;
}

/** Removes locks of a git that was killed, inside the sandbox: a path in the tree may be a link that leads out of it. */
export async function removeStaleLocks(git: Git, signal?: AbortSignal): Promise<void> {
  await git.program('rm', ['-f', '--', ...STALE_LOCKS], { signal });
}

function local(options: PrepareOptions): GitCommandOptions {
  return { signal: options.signal };
}

function remote(options: PrepareOptions): GitCommandOptions {
  const network = options.assignment.repository.type === 'https' ? 'proxy' : 'none';
  return { signal: options.signal, network, binds: options.binds, timeoutSeconds: CLONE_TIMEOUT_SECONDS };
}

async function knownMarker(options: PrepareOptions): Promise<Marker | null> {
  if ((await readdir(options.tree)).length === 0) return null;
  const own = readMarker(options.scratch);
  if (own !== null) return own;
  const value = await markerInTree(options);
  if (value === null) return null;
  return { published: value === UNBORN ? null : value };
}

/** Prints the marker, then git's exit code. */
const READ_MARKER = `"$1" config --local --get ${MARKER_KEY}; echo "status $?"`;

/**
 * The marker in `.git`, or null. Believes a "no" only when git itself said so: a sandbox that did not start exits with 1, too, and taking that
 * for a missing marker would empty a tree full of work.
 */
async function markerInTree(options: PrepareOptions): Promise<string | null> {
  const result = await options.git.program(
    '/bin/sh',
    ['-c', READ_MARKER, 'marker', options.git.command],
    local(options),
  );
  const [, value, status] = /^(.*\n)?status (\d+)\n$/.exec(result.stdout) ?? [];
  if (status === '0') return value?.trim() ?? '';
  if (status === '1' || status === '128') return null;
  throw options.git.failure(result, false);
}

/** From outside, which is safe: `rm` does not follow links, and nothing runs in the tree now. */
async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

async function clone(options: PrepareOptions): Promise<void> {
  const { repository } = options.assignment;
  // A plain path, read through upload-pack (`--no-local`) as from a server: hard links into a read-only bind cannot be made.
  const from = repository.type === 'https' ? [repository.url] : [repository.path];
  const flags = ['--quiet', '--no-checkout', '--no-local', '--origin', 'origin', '--no-recurse-submodules'];
  await options.git.run(['clone', ...flags, '--', ...from, '.'], remote(options));
}

async function commitOf(options: PrepareOptions, name: string): Promise<string | null> {
  const args = ['rev-parse', '--quiet', '--verify', '--end-of-options', `${name}^{commit}`];
  const result = await options.git.try(args, local(options));
  return result.code === 0 ? result.stdout.trim() : null;
}

/** The commit to work from, or null in an empty repository. The branch comes first: of the workspace's own, it holds earlier work of this workspace. */
async function startingPoint(options: PrepareOptions): Promise<string | null> {
  const { ref, branch, fallbackBranch, readOnly } = options.assignment;
  // A fork can name a branch as one of the repository is named.
  if (readOnly && ref !== null) return namedRef(options, ref);
  const own = await commitOf(options, `refs/remotes/origin/${branch}`);
  if (own !== null) return own;
  // It is people's, and was deleted: to make it again would be to undo that.
  if (fallbackBranch !== null) throw new GitFailure('branch-gone', goneSentence(branch));
  return ref === null ? defaultBranch(options) : namedRef(options, ref);
}

async function defaultBranch(options: PrepareOptions): Promise<string | null> {
  const head = await commitOf(options, 'refs/remotes/origin/HEAD');
  if (head !== null) return head;
  const refs = await options.git.run(['for-each-ref', '--count=1', 'refs/remotes/origin'], local(options));
  if (refs === '') return null;
  // There are branches, but the repository's HEAD names none of them: guessing one would surprise people.
  throw failureOf('ref-not-found');
}

/** Refspec and revision syntax has no business in a ref (git-check-ref-format(1)). */
function isPlainRef(ref: string): boolean {
  return ref !== '' && !/^[-+/.]|[\s~^:?*[\\\p{Cc}]|\.\.|@\{|\/$|\.lock$/u.test(ref);
}

async function namedRef(options: PrepareOptions, ref: string): Promise<string> {
  if (!isPlainRef(ref)) throw failureOf('ref-not-found');
  const candidates = [`refs/remotes/origin/${ref}`, `refs/tags/${ref}`];
  if (/^[0-9a-f]{7,64}$/.test(ref)) candidates.push(ref);
  for (const name of candidates) {
    const commit = await commitOf(options, name);
    if (commit !== null) return commit;
  }
  // A commit or a ref that no clone brings along, such as refs/pull/7/head.
  const result = await options.git.try(
    ['fetch', '--quiet', '--no-tags', '--', 'origin', ref],
    remote(options),
  );
  const fetched = result.code === 0 ? await commitOf(options, 'FETCH_HEAD') : null;
  if (fetched !== null) return fetched;
  const failure = options.git.failure(result, false);
  throw failure.code === 'network' || failure.code === 'disk-full' ? failure : failureOf('ref-not-found');
}

async function checkOut(options: PrepareOptions, start: string | null): Promise<void> {
  const { branch } = options.assignment;
  const args =
    start === null
      ? ['symbolic-ref', 'HEAD', `refs/heads/${branch}`]
      : ['checkout', '--quiet', '--no-track', '-B', branch, start, '--'];
  await options.git.run(args, { ...local(options), timeoutSeconds: CLONE_TIMEOUT_SECONDS });
  // So that a plain `git push` of the agent goes to the same branch at origin.
  await options.git.run(['config', '--local', 'push.default', 'current'], local(options));
}
