import type { ExternalSystem } from '../../contracts/index.js';
import type { JsonObject } from '../../database/index.js';

/** `open`: who asks there is heard. `paused`: too much was asked, and nothing is done for a while. `closed`: its system has left. */
export const conversationStates = ['open', 'paused', 'closed'] as const;
export type ConversationState = (typeof conversationStates)[number];

/** Those of a system that are meant, by what their integration put into their subjects: one of these values in this field, and none of those in that. */
export interface Meant {
  field: string;
  values: string[];
  but?: { field: string; values: string[] };
}

/** Why nothing can be heard or said in a conversation. */
export interface Closing {
  /** For people. */
  reason: string;
  /** Berth was removed there: what waits to be said is dropped. Else it waits for its system to come back, as long as a reply is kept. */
  isOver: boolean;
}

/** A place at another system where people and an agent talk, as its integration names it. */
export interface ConversationPlace {
  system: ExternalSystem;
  /** Its immutable name: `session/<id>`; `repository/<id>/pull/<number>`, `repository/<id>/issue/<number>`. */
  key: string;
  url: string;
  /** What the integration needs to answer there, in a form of its own. */
  subject: JsonObject;
}
