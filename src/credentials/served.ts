import type { Agent, Kind } from '../contracts/index.js';
import type { Served } from './kind.js';

/** For whom a credential serves: the member for whom the agent works, or git is used. */
interface Member {
  organizationId: string;
  userId: string;
}

/** Whose agent is served. */
export interface ServedAgent extends Member {
  agent: Agent;
  /** Where it must be of one kind: the first of those that may serve, in the same order and by the same rules. */
  only?: Kind | undefined;
}

/** Whose git is served, at one host: as it stands in the repository's URL. */
export interface ServedGit extends Member {
  gitHost: string;
  /** `owner/name` there. */
  repository: string;
  /** For code of strangers: nothing is lent that could write. */
  readOnly: boolean;
}

export type ServedMember = ServedAgent | ServedGit;

/** What a member is served. */
export function usedBy(member: ServedMember): Served {
  return 'gitHost' in member ? 'git' : member.agent;
}
