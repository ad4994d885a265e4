import type { JsonObject } from '../../database/index.js';
import type { ReplyAbout, ReplyContent } from './content.js';

/** One reply on its way out, and where it goes. */
export interface ReplyToSend {
  organizationId: string;
  conversation: {
    id: string;
    key: string;
    url: string;
    /** As the integration wrote it. */
    subject: unknown;
    /** What the integration keeps of what it made there. */
    made: Record<string, unknown>;
  };
  reply: {
    id: string;
    /** A random id (version 4), the same in each attempt: made under this id nothing is made twice. */
    externalKey: string;
    content: ReplyContent;
    about: ReplyAbout;
    /** How often it was tried before. After the first time nobody knows whether it was said: what takes no id is to be looked for first. */
    attempts: number;
  };
}

/** What became of it; `calls`: how many of those that the system counts it took, where that is known. What a sender throws is `later`, and its message the reason. */
export type SendOutcome =
  | {
      outcome: 'sent';
      /** What it became there. */
      externalId?: string;
      /** Merged into what the integration keeps. */
      made?: JsonObject;
      calls?: number;
    }
  | {
      outcome: 'later';
      retryAfterSeconds: number;
      /** For people. */
      reason: string;
      /** The other system lets nobody of this installation through (a rate limit): its other conversations wait too. */
      forAll?: boolean;
    }
  | {
      /** It is not to be said: the comment is gone, the installation is. */
      outcome: 'dropped';
      reason: string;
      calls?: number;
    };

/** Says one reply at one system. It may be asked again for what it has said already, and must end soon after the signal: another may be on it by then. */
export type ReplySender = (job: ReplyToSend, signal: AbortSignal) => Promise<SendOutcome>;
