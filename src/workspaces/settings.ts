import type { Agent } from '../contracts/index.js';
import type { RepositoryPolicy } from './repository.js';

/** What this room takes from the configuration. */
export class WorkspaceSettings {
  constructor(
    readonly repositories: RepositoryPolicy,
    /** The model of an agent when none was asked for. */
    readonly defaultModels: Record<Agent, string>,
    readonly sweepSeconds: number,
    /** A host that was not seen for so long is lost. */
    readonly hostLostSeconds: number,
    /** A runner that lives, and whose heartbeat stayed away for so long, is suspected to hang. */
    readonly runnerSilentSeconds = 100,
    /** No call of the runtime is waited for any longer. Removing a big tree takes a while. */
    readonly runtimeSeconds = 90,
  ) {}
}
