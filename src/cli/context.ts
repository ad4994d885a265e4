import type { LocalConfig, ConnectionConfig, ConnectionFlags } from '../config/cli-config.js';
import type { Clock } from '../kernel/index.js';

/** Everything outside the command that it touches; tests give their own. */
export interface CliContext {
  /** Standard output: what was asked for. */
  out: (text: string) => void;
  /** Standard error: progress and failures. */
  err: (text: string) => void;
  /** All of standard input, as text. */
  readInput: () => Promise<string>;
  /** True when output goes to a terminal that may be coloured. */
  color: boolean;
  connection: (flags: ConnectionFlags) => Promise<ConnectionConfig>;
  local: LocalConfig;
  fetch: typeof fetch;
  clock: Clock;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Aborted when a command should stop waiting. */
  signal: AbortSignal;
  /** Path of the built server, `dist/main.js`. */
  serverEntry: string;
  /** True when standard input is a terminal, which then sends Ctrl-C to our child processes by itself. */
  inputIsTerminal: boolean;
}
