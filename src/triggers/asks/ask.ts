import type { ExternalSystem } from '../../contracts/index.js';
import type { JsonObject, Tenant } from '../../database/index.js';
import type { ExternalPerson } from '../../identity/index.js';
import type { ReplyAbout } from '../replies/content.js';

/** Where the work is done. */
export type AskPlace =
  | {
      /** `owner/name`, or an https address. */
      repository: string;
      /** GitHub's number of it, where it is GitHub that tells: its name may be another's by now. */
      repositoryId?: string;
      ref?: string;
      /** To work on and push to this very branch. */
      branch?: string;
      pullRequest?: JsonObject & { url: string };
    }
  | {
      /** By the organization's mappings. */
      linear: {
        teamKey: string;
        project: string | null;
        labels: string[];
        /** The repository that somebody chose when they were asked. */
        chosen?: string;
      };
    };

/** What one person asks for at another system, once: its key is of the meaning (the comment, the session, the activity), however many deliveries tell of it. */
export interface Ask {
  organizationId: string;
  system: ExternalSystem;
  key: string;
  /** The delivery that brought it, to be handled again when what it waits for has come; null: it was looked for, and will be again. */
  deliveryRowId: string | null;
  conversation: { key: string; url: string; subject: JsonObject };
  /** When it was written there, by that system's clock: a stop of that moment or later ends it, whichever of them is told first. */
  writtenAt?: Date | null;
  /** What it is a part of and may be stopped with, besides its conversation: by names of its integration. */
  partOf?: string[];
  /** Whether the system can still be answered, by rows that are held until the transaction ends. Asked last: it may have left while facts were asked for. */
  isConnected?: (tenant: Tenant) => Promise<boolean>;
  /** Null: no person, but an automation. */
  asker: ExternalPerson | null;
  /** The prompt for the agent. It is data: nothing is decided by it. */
  text: string;
  /** How much of it who asked wrote themselves; absent: all of it. */
  characters?: number;
  /** Names the workspace. */
  title: string;
  /** It is the first of its conversation, and of a member: what a workspace is made of is looked up first, where nobody unknown has other systems asked. It spares a decision that only says so. */
  beginsAnew?: boolean;
  /** False: it continues what is there, and starts nothing. */
  mayStart: boolean;
  readOnly: boolean;
  place: AskPlace;
  /** Which comment asked, where it is not answered as a whole: each answer to this ask goes there. */
  about?: ReplyAbout;
  /** Why it is not done for this person (who may not write there, for example), and what they are told. Who is not connected is asked to connect first. */
  refusal?: { reason: string; text: string };
}

/** What became of an ask, by name. */
export type AskOutcome =
  | 'started'
  | 'continued'
  | 'already-done'
  | 'awaiting-link'
  | 'no-mapping'
  | 'repository-asked'
  | 'repository-chosen'
  | 'no-agent-credential'
  | 'stopped'
  | 'stopped-by-breaker'
  | 'withdrawn'
  | 'ignored-nothing-here'
  | 'ignored-not-connected'
  | `refused-${string}`;

export interface Taken {
  outcome: AskOutcome;
  conversationId: string;
  workspaceId?: string;
}
