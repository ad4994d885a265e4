import type { Agent, Kind, Provider, RepositorySource, Scope, WorkspaceView } from '../contracts/index.js';
import type { JsonObject } from '../database/index.js';

/** The pull request of a workspace's branch, as the integration knows it. */
export type PullRequest = JsonObject & { url: string };

/** How a workspace comes to be, beside what its maker says of it. Only Berth's own rooms say any of this: what came by REST has none. */
export interface WorkspaceTerms {
  origin?: WorkspaceView['origin'] | undefined;
  /** To work on and push to this very branch; else it has one of its own. */
  branch?: string | undefined;
  /** For code of strangers: it is read and answered about, and nothing of it leaves. */
  readOnly?: boolean | undefined;
  /** For work that no person asked for: the organization's own credentials serve it, and nobody's else. */
  organizationOnly?: boolean | undefined;
  /** Whose models are asked first; `bedrock` with the AWS region. */
  provider?: Provider | undefined;
  awsRegion?: string | undefined;
  /** What the repository tells its agents. */
  instructions?: string | undefined;
  /** Who asked for it at another system, which member that is, and by what it was decided. */
  decision?: JsonObject | undefined;
  pullRequest?: PullRequest | undefined;
  /** GitHub's number of the repository, from who knows which one is meant whatever is called so by now; else its name is looked up. */
  repositoryId?: string | undefined;
}

/** The terms as they stand in the row. */
export interface RowTerms {
  origin: WorkspaceView['origin'];
  branch: string;
  readOnly: boolean;
  organizationOnly: boolean;
  provider: Provider;
  awsRegion: string | null;
  instructions: string | null;
  decision: JsonObject | null;
  pullRequest: PullRequest | null;
}

/** A workspace that is to be. */
export interface NewWorkspace extends RowTerms {
  id: string;
  ownerId: string;
  name: string;
  repository: string;
  repositoryId: string | null;
  source: RepositorySource;
  ref: string | null;
  agent: Agent;
  model: string;
  credential: { id: string; scope: Scope; kind: Kind };
  idleTimeoutMinutes: number;
  at: Date;
}

export function rowTerms(terms: WorkspaceTerms, ownBranch: string): RowTerms {
  return {
    origin: terms.origin ?? { type: 'api' },
    branch: terms.branch ?? ownBranch,
    readOnly: terms.readOnly ?? false,
    organizationOnly: terms.organizationOnly ?? false,
    provider: terms.provider ?? 'anthropic',
    awsRegion: terms.awsRegion ?? null,
    instructions: terms.instructions ?? null,
    decision: terms.decision ?? null,
    pullRequest: terms.pullRequest ?? null,
  };
}

/** What becomes of a workspace's work later: to which branch it goes, from where; or how it stands with the pull request of that. */
export type WorkChange =
  { branch: string; ref: string } | { pullRequest: JsonObject; pullRequestUrl: string | null };
