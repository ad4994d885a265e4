import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepositorySource } from '../../contracts/runner.js';
import type { Bind } from '../sandbox/sandbox.js';
import { failureOf } from './failure.js';
import type { Git } from './git.js';

export interface PublishOptions {
  git: Git;
  repository: RepositorySource;
  /** Branch to move to the tree's HEAD. */
  branch: string;
  /** Where people share the branch: the commit that it must be at, of which HEAD is a successor. Null: it is the workspace's own, and may be moved backwards. */
  onto: string | null;
  /** The runner's own folder, as the host sees it. */
  scratch: string;
  /** Shows a `file` repository read-only, and the same writable. */
  binds: readonly Bind[];
  writableBinds: readonly Bind[];
  /** A host's path as a command sees it that binds it at the second. */
  inside(path: string, target: string): string;
  signal?: AbortSignal | undefined;
}

const PUBLISH_TIMEOUT_SECONDS = 900;

/**
 * What is moved where. A shared branch is moved from where it was seen and from nowhere else, or what others push at this moment would be lost, and a branch that they delete made again; the
 * caller has seen that it is no step back.
 */
function movement({ branch, onto }: PublishOptions, from: string): [condition: string, refspec: string] {
  const to = `refs/heads/${branch}`;
  return onto === null
    ? ['--no-force-with-lease', `+${from}:${to}`]
    : [`--force-with-lease=${to}:${onto}`, `${from}:${to}`];
}

/** Publishes the tree's HEAD as `branch`. Throws GitFailure. */
export async function publish(options: PublishOptions): Promise<void> {
  if (options.repository.type === 'https') await push(options, options.repository.url);
  else await handOver(options, options.repository.path);
}

/** By URL, not by the name `origin`, which the agent may have pointed elsewhere. */
async function push(options: PublishOptions, url: string): Promise<void> {
  const [condition, refspec] = movement(options, 'HEAD');
  await options.git.run(['push', '--quiet', '--no-verify', condition, '--', url, refspec], {
    network: 'proxy',
    timeoutSeconds: PUBLISH_TIMEOUT_SECONDS,
    signal: options.signal,
    pushing: true,
  });
  // What `git status` of the agent compares with; a push by URL does not move it.
  await options.git.try(['update-ref', `refs/remotes/origin/${options.branch}`, 'HEAD'], {
    signal: options.signal,
  });
}

/**
 * A repository on this machine: two sandboxes that never meet. The first sees the tree and writes a bundle into an empty folder. The second sees the bundle
 * read-only and the repository, not the tree: nothing the agent prepared can run where the repository is writable.
 */
async function handOver(options: PublishOptions, repository: string): Promise<void> {
  const out = await mkdtemp(join(options.scratch, 'out-'));
  const quarantine = await mkdtemp(join(options.scratch, 'in-'));
  try {
    await bundle(options, out, true);
    let received = await receive(options, out, quarantine, repository);
    if (received.code !== 0 && received.stderr.includes('prerequisite')) {
      // The repository lost commits that the tree believes it has: hand over everything.
      await rm(join(quarantine, 'q.git'), { recursive: true, force: true });
      await bundle(options, out, false);
      received = await receive(options, out, quarantine, repository);
    }
    if (received.code !== 0) throw options.git.failure(received, true);
  } finally {
    await rm(out, { recursive: true, force: true });
    await rm(quarantine, { recursive: true, force: true });
  }
}

async function bundle(options: PublishOptions, out: string, onlyNew: boolean): Promise<void> {
  const target = '/run/berth-out';
  const file = join(options.inside(out, target), 'work.bundle');
  const limits = {
    binds: [...options.binds, { source: out, target, writable: true }],
    timeoutSeconds: PUBLISH_TIMEOUT_SECONDS,
    signal: options.signal,
  };
  const make = (...exclude: string[]): Promise<unknown> =>
    options.git.run(['bundle', 'create', '--quiet', file, 'HEAD', ...exclude], limits);
  if (!onlyNew) {
    await make();
    return;
  }
  const count = await options.git.run(['rev-list', '--count', 'HEAD', '--not', '--remotes=origin'], limits);
  // Git refuses an empty bundle, as when HEAD went back to a commit that origin has.
  await (count === '0' ? make() : make('--not', '--remotes=origin'));
}

/**
 * Fixed text; every value comes as an argument. The bundle is unpacked into a repository of its own that borrows the target's objects, then pushed: receive-pack
 * checks every object (git before 2.46 does not check a fetched bundle) and refuses a branch that is checked out, before any ref moves.
 */
const RECEIVE = `set -eu
bundle=$1 quarantine=$2 target=$3 condition=$4 refspec=$5 git=$6
"$git" init --quiet --bare "$quarantine/q.git"
objects=$("$git" -C "$target" rev-parse --path-format=absolute --git-path objects)
printf '%s\\n' "$objects" > "$quarantine/q.git/objects/info/alternates"
"$git" --git-dir="$quarantine/q.git" fetch --quiet --no-tags --no-write-fetch-head -- "$bundle" +HEAD:refs/heads/incoming
receive="'$git' -c receive.fsckObjects=true -c core.hooksPath=/dev/null -c receive.autogc=false -c receive.denyCurrentBranch=refuse receive-pack"
"$git" --git-dir="$quarantine/q.git" push --quiet --no-verify "$condition" --receive-pack="$receive" -- "$target" "$refspec"
`;

async function receive(options: PublishOptions, out: string, quarantine: string, repository: string) {
  const incoming = options.inside(out, '/run/berth-in');
  const working = options.inside(quarantine, '/run/berth-quarantine');
  if (options.writableBinds.length === 0) throw failureOf('push-not-allowed');
  const args = [
    '-c',
    RECEIVE,
    'receive',
    join(incoming, 'work.bundle'),
    working,
    repository,
    ...movement(options, 'refs/heads/incoming'),
    options.git.command,
  ];
  return options.git.program('/bin/sh', args, {
    workspace: false,
    cwd: '/',
    // The folder, not the file: a link put in the file's place would be followed on the host.
    binds: [
      { source: out, target: '/run/berth-in', writable: false },
      { source: quarantine, target: '/run/berth-quarantine', writable: true },
      ...options.writableBinds,
    ],
    timeoutSeconds: PUBLISH_TIMEOUT_SECONDS,
    signal: options.signal,
  });
}
