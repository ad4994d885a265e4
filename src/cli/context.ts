import type { CliConfigFile, ConnectionConfig, ConnectionFlags, LocalConfig } from '../config/cli-config.js';
import type { Clock } from '../kernel/index.js';
import type { Progress } from './progress.js';
import type { Prompts } from './prompts.js';

/** Everything outside the command that it touches; tests give their own. */
export interface CliWorld {
  /** Standard output: what was asked for. */
  out: (text: string) => void;
  /** Standard error: progress and failures. */
  err: (text: string) => void;
  /** All of standard input, as text. */
  readInput: () => Promise<string>;
  /** True when output goes to a terminal that may be colored. */
  color: boolean;
  /** Says what is being waited for. */
  progress: Progress;
  /** Asks the person at the terminal; null where there is none. */
  prompts: Prompts | null;
  connection: (flags: ConnectionFlags) => Promise<ConnectionConfig>;
  /** Where Berth is; needs no API key. */
  address: (flags: ConnectionFlags) => Promise<string>;
  /** The person's stored settings. */
  configFile: CliConfigFile;
  local: LocalConfig;
  fetch: typeof fetch;
  clock: Clock;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Aborted when a command should stop waiting. */
  signal: AbortSignal;
  /** Makes the keys by which Berth knows a change again. */
  newKey: () => string;
  /** Path of the built server, `dist/main.js`. */
  serverEntry: string;
  /** True when standard input is a terminal, which then sends Ctrl-C to our child processes by itself. */
  inputIsTerminal: boolean;
}

/** The world as one run of the command sees it. */
export interface CliContext extends CliWorld {
  /** True when `--json` was given: standard output holds JSON, standard error a failure or nothing, and nobody is asked. */
  json: boolean;
}
