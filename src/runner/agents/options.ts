import type { RepositorySource } from '../../contracts/runner.js';
import type { Ids } from '../../kernel/ids.js';
import type { Log } from '../../kernel/log.js';
import {
  baseEnvironment,
  egressEnvironment,
  gitConfiguration,
  identityEnvironment,
  proxyRoutes,
  type Person,
} from '../environment.js';
import type { Bind, Sandbox } from '../sandbox/sandbox.js';
import type { Timer } from '../timer.js';

/** What a driver needs of its surroundings. */
export interface DriverOptions {
  sandbox: Sandbox;
  /** The agent's program on the host; null when it is not installed. */
  program: string | null;
  /** What the agent sends as its credential. */
  placeholder: string;
  /** PATH inside. */
  path: string;
  repository: RepositorySource;
  /** What it is told of the place it works in, beyond what is asked; null: nothing. */
  instructions: string | null;
  /** The tree holds code of strangers: nothing that it says to agents takes effect. */
  isOfStrangers: boolean;
  /** Shows a `file` repository read-only, so that the agent can fetch. */
  binds: readonly Bind[];
  timer: Timer;
  ids: Ids;
  log: Log;
}

/** Environment of an agent: the allow-list, its tools' and git's way through the proxy, and who asked. */
export function agentEnvironment(options: DriverOptions, author: Person): Record<string, string> {
  return {
    ...baseEnvironment(options),
    ...gitConfiguration(proxyRoutes(options.repository, options.sandbox.proxyUrl)),
    ...identityEnvironment(author),
    ...egressEnvironment(options.sandbox.proxyUrl),
    // Agents ask whether it is safe to work without questions. This is a sandbox.
    IS_SANDBOX: '1',
  };
}
