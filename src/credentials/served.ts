import type { Agent, Kind } from '../contracts/index.js';
import type { Served } from './kind.js';

/** For whom a credential serves: the member for whom the agent works, or git is used. */
interface Member {
  organizationId: string;
  userId: string;
  /** For work that no person asked for: of the organization's credentials alone, and not of who stands for it. */
  organizationOnly?: boolean | undefined;
}

/** Whose agent is served. */
export interface ServedAgent extends Member {
  agent: Agent;
  /** Where it must be of one kind: the first of those that may serve, in the same order and by the same rules. */
  only?: Kind | undefined;
  /** Bedrock comes first, of whichever scope, and is asked in this region (null: the key's own). */
  bedrock?: { region: string | null } | undefined;
}

/** Whose git is served, at one host: as it stands in the repository's URL. */
export interface ServedGit extends Member {
  gitHost: string;
  /** `owner/name` there, as it is called now. */
  repository: string;
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
  /** For code of strangers: nothing is lent that could write. */
  readOnly: boolean;
}

export type ServedMember = ServedAgent | ServedGit;

/** What a member is served. */
export function usedBy(member: ServedMember): Served {
  return 'gitHost' in member ? 'git' : member.agent;
}
