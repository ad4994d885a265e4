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
  ) {}
}
