import type { JsonObject, Tenant } from '../../database/index.js';
import type { ConversationPlace } from '../conversations/conversation.js';

/** A repository that its host lets Berth open pull requests in. */
export interface PullRequestPlace {
  installationId: string;
  repositoryId: string;
  /** `owner/name`. */
  fullName: string;
}

/** What reaches a repository is suspended for the time being: the installation's number. */
export interface SuspendedPlace {
  suspended: string;
}

/** A pull request there. */
export interface HostedPull {
  number: number;
  url: string;
  title: string;
  state: 'open' | 'merged' | 'closed';
  base: string;
}

/** What came of opening one: it is there (`isNew`: since now), there is nothing in it, or it was refused for good, with a sentence for people. */
export type Opened =
  | { outcome: 'open'; pull: HostedPull; isNew: boolean }
  | { outcome: 'nothing-new' }
  | { outcome: 'refused'; message: string };

export interface WantedPull {
  head: string;
  /** A branch, or something else that work began from; null: nothing in particular. */
  from: string | null;
  title: string;
  body: string;
}

/** Where pull requests are opened, by an integration. Calls throw BerthError `not-ready` for what may be tried again. */
export interface PullRequestHost {
  /** Null: not reached, and nothing is opened there. Inside a transaction. */
  placeOf(
    tenant: Tenant,
    repository: { fullName: string; repositoryId: string | null },
  ): Promise<PullRequestPlace | SuspendedPlace | null>;
  /** Opens it, or finds the one that is open for the same branch: an answer may have been lost. */
  open(organizationId: string, place: PullRequestPlace, wanted: WantedPull): Promise<Opened>;
  /** Writes its text anew and says how it stands; null: it is gone. One that is not open is left as it is. */
  describe(
    organizationId: string,
    place: PullRequestPlace,
    number: number,
    body: string,
  ): Promise<HostedPull | null>;
  /** Where people talk about it. */
  conversationOf(
    place: PullRequestPlace,
    pull: HostedPull,
    head: string,
  ): ConversationPlace & { subject: JsonObject };
}
