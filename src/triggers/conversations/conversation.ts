import type { ExternalSystem } from '../../contracts/index.js';
import type { JsonObject } from '../../database/index.js';

/** `open`: who asks there is heard. `paused`: too much was asked, and nothing is done for a while. `closed`: its system has left. */
export const conversationStates = ['open', 'paused', 'closed'] as const;
export type ConversationState = (typeof conversationStates)[number];

/** A place at another system where people and an agent talk, as its integration names it. */
export interface ConversationPlace {
  system: ExternalSystem;
  /** Its immutable name: `session/<id>`; `repository/<id>/pull/<number>`, `repository/<id>/issue/<number>`. */
  key: string;
  url: string;
  /** What the integration needs to answer there, in a form of its own. */
  subject: JsonObject;
}
