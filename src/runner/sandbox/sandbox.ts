import type { Readable, Writable } from 'node:stream';

/** A folder or file of the host that one command sees at `target`. */
export interface Bind {
  source: string;
  target: string;
  writable: boolean;
}

/** One command to run in a workspace's sandbox. */
export interface SandboxCommand {
  /** Name (looked up in `env.PATH`) or path as seen inside. */
  command: string;
  args: readonly string[];
  /** The whole environment of the command; nothing is inherited. */
  env: Readonly<Record<string, string>>;
  /** Working folder as seen inside; by default the workspace's tree. */
  cwd?: string;
  /** `pipe` gives `stdin` on the process; `ignore` (default) is an empty input. */
  stdin?: 'pipe' | 'ignore';
  /** More of the host for this command alone. */
  binds?: readonly Bind[];
  /** `proxy`: 127.0.0.1 reaches the workspace's proxy and nothing else. `none` (default): no network at all. */
  network?: 'proxy' | 'none';
  /** False hides the workspace's tree and HOME from this command. Default true. */
  workspace?: boolean;
}

/** How a command ended. `code` is null when a signal ended it. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running command. */
export interface SandboxProcess {
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the command ended and its output was read to the end. Rejects when it could not be started. */
  readonly exit: Promise<ProcessExit>;
  /** Ends the command and everything it started, at once (SIGKILL). Harmless when it has already ended. */
  readonly kill: () => void;
}

/** Where things are, as commands see them. */
export interface SandboxPaths {
  tree: string;
  home: string;
  /** Our own system-wide git configuration (`GIT_CONFIG_SYSTEM`). */
  gitConfig: string;
  /** Folders to append to PATH, so that there is a `node`. */
  extraPath: string;
}

/**
 * Runs commands on a workspace's tree. Everything that touches the tree (the agent, each git command) goes through it, since a
 * repository's own configuration can run code.
 */
export interface Sandbox {
  readonly paths: SandboxPaths;
  /** Base URL of the proxy as commands with `network: 'proxy'` reach it, such as `http://127.0.0.1:8123`. */
  readonly proxyUrl: string;
  run(command: SandboxCommand): SandboxProcess;
  /** Where the host's `path` is seen by a command that binds it at `target`. */
  inside(path: string, target: string): string;
  /** Command and first arguments that start a program of the host inside. Throws BerthError `agent-missing` when the file is not there. */
  program(path: string): { command: string; args: string[]; binds: Bind[] };
  close(): Promise<void>;
}
