import { isAbsolute } from 'node:path';
import type { Readable } from 'node:stream';
import type { RepositorySource } from '../../contracts/runner.js';
import { baseEnvironment, gitConfiguration, proxyRoutes } from '../environment.js';
import type { Bind, Sandbox } from '../sandbox/sandbox.js';
import type { Timer } from '../timer.js';
import { classifyGitFailure, cleaner, GitFailure } from './failure.js';

export interface GitOptions {
  sandbox: Sandbox;
  /** Path of the git program on the host. */
  git: string;
  /** PATH inside. */
  path: string;
  repository: RepositorySource;
  /** Taken out of everything people may see. */
  placeholder: string;
  timer: Timer;
}

export interface GitCommandOptions {
  /** Through the proxy or, by default, without any network. */
  network?: 'proxy' | 'none';
  timeoutSeconds?: number;
  env?: Record<string, string>;
  binds?: readonly Bind[];
  /** False hides tree and HOME from the command. */
  workspace?: boolean;
  cwd?: string;
  signal?: AbortSignal | undefined;
  /** Read a failure as one of publishing. */
  pushing?: boolean;
}

export interface GitResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Local commands are quick; what talks to a server gets a limit of its own. */
const DEFAULT_TIMEOUT_SECONDS = 300;
/** Kept of each output stream. More is read, so that the command does not block, and dropped. */
const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * Our configuration for our own commands, above whatever the tree's configuration says: no program of the repository's choosing runs, and only the transports
 * named are used. (The sandbox holds what gets through all the same.)
 */
const SAFE_CONFIGURATION: [string, string][] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.pager', 'cat'],
  ['credential.helper', ''],
  ['commit.gpgSign', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['submodule.recurse', 'false'],
  ['protocol.allow', 'never'],
];

/** Git in a workspace's sandbox, with a bound on time and output. */
export class Git {
  readonly clean: (text: string) => string;
  /** The git program as seen inside. */
  readonly command: string;
  readonly #program: { command: string; args: string[]; binds: Bind[] };
  readonly #env: Record<string, string>;

  constructor(private readonly options: GitOptions) {
    const { sandbox, git, repository, placeholder } = options;
    this.clean = cleaner(placeholder, sandbox.proxyUrl);
    this.#program = isAbsolute(git) ? sandbox.program(git) : { command: git, args: [], binds: [] };
    this.command = this.#program.command;
    const transports = repository.type === 'https' ? ['http', 'https'] : ['file'];
    this.#env = {
      ...baseEnvironment(options),
      // What the agent wrote into ~/.gitconfig is for its own commands.
      GIT_CONFIG_GLOBAL: '/dev/null',
      ...gitConfiguration([
        ...SAFE_CONFIGURATION,
        ...transports.map((name): [string, string] => [`protocol.${name}.allow`, 'always']),
        ...proxyRoutes(repository, sandbox.proxyUrl),
      ]),
    };
  }

  /** Runs `git <args>` and gives its result whatever the exit code. Throws GitFailure on time-out, and the signal's reason when aborted. */
  async try(args: readonly string[], options: GitCommandOptions = {}): Promise<GitResult> {
    const { command, args: first, binds } = this.#program;
    return this.#run(command, [...first, ...args], {
      ...options,
      binds: [...binds, ...(options.binds ?? [])],
    });
  }

  /** Runs `git <args>` and gives its standard output without the last line break. Throws GitFailure unless it exits with 0. */
  async run(args: readonly string[], options: GitCommandOptions = {}): Promise<string> {
    const result = await this.try(args, options);
    if (result.code !== 0) throw this.failure(result, options.pushing === true);
    return result.stdout.replace(/\n$/, '');
  }

  /** Runs any program with git's environment. */
  async program(
    command: string,
    args: readonly string[],
    options: GitCommandOptions = {},
  ): Promise<GitResult> {
    return this.#run(command, args, {
      ...options,
      binds: [...this.#program.binds, ...(options.binds ?? [])],
    });
  }

  failure(result: GitResult, pushing: boolean): GitFailure {
    return classifyGitFailure(result.stderr, pushing, this.clean);
  }

  async #run(command: string, args: readonly string[], options: GitCommandOptions): Promise<GitResult> {
    const { signal, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = options;
    signal?.throwIfAborted();
    const child = this.options.sandbox.run({
      command,
      args,
      env: { ...this.#env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      binds: options.binds ?? [],
      network: options.network ?? 'none',
      workspace: options.workspace ?? true,
    });
    const limit = { reached: false };
    const cancelLimit = this.options.timer.after(timeoutSeconds * 1000, () => {
      limit.reached = true;
      child.kill();
    });
    signal?.addEventListener('abort', child.kill, { once: true });
    try {
      const [stdout, stderr, exit] = await Promise.all([keep(child.stdout), keep(child.stderr), child.exit]);
      signal?.throwIfAborted();
      if (limit.reached) {
        throw new GitFailure(
          'git-failed',
          `Git took longer than ${timeoutSeconds} seconds and was stopped. Try again.`,
        );
      }
      return { code: exit.code ?? 1, stdout, stderr };
    } finally {
      signal?.removeEventListener('abort', child.kill);
      cancelLimit();
    }
  }
}

/** The last part of a stream: git says at the end what went wrong. */
async function keep(stream: Readable): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > MAX_OUTPUT_BYTES) kept = kept.subarray(kept.length - MAX_OUTPUT_BYTES);
  }
  return kept.toString('utf8');
}
