import type { JsonObject, Tenant } from '../../database/index.js';
import type { Actor, Found } from '../../identity/index.js';
import type { ConversationRow } from '../conversations/conversations.store.js';
import type { ReplyContent } from '../replies/content.js';
import type { NewReply } from '../replies/replies.service.js';
import type { Ask, AskOutcome } from './ask.js';
import type { AskState } from './decision.js';
import type { Plan, Question } from './starting.service.js';

/** One ask while it is decided on, inside its transaction. */
export interface Case {
  tenant: Tenant;
  ask: Ask;
  conversation: ConversationRow;
  /** It waited already. */
  isKnown: boolean;
  /** Null: nobody asked. */
  who: Found | null;
  /** Who stands for what nobody asked for; null: somebody asked, or the organization does not allow it. */
  stand: Actor | null;
  /** What a workspace would be made of; null where there will be none, and where nobody said of what. */
  plan: Plan | Question | null;
  /** How many times in a row it was asked at once, this time with them (at-once.ts). */
  atOnce: number;
  at: Date;
}

/** What became of it, and what is said. State null: nothing is written of it. */
export interface Ending {
  state: AskState | null;
  outcome: AskOutcome;
  workspaceId?: string;
  messageId?: string;
  /** What is asked of whoever reads it, and for what. */
  question?: { text: string };
  say?: Said[];
}

type Said = { key: string; content: ReplyContent };

export function refused({ key }: Ask, outcome: AskOutcome, text: string | null): Ending {
  const say: Said[] = text === null ? [] : [{ key: `refused/${key}`, content: { type: 'refused', text } }];
  return { state: 'refused', outcome, say };
}

/** It was stopped before it began. A sign of life may have been given for it, and no other end follows. */
export function stopped({ key }: Pick<Ask, 'key'>): Ending {
  const say: Said[] = [{ key: `stopped/${key}`, content: { type: 'stopped', text: 'Stopped.' } }];
  return { state: 'refused', outcome: 'stopped', say };
}

/** What is said, each to the comment that asked. */
export function answersTo({ key, about }: Ask, said: Said[]): NewReply[] {
  return said.map((reply) => ({ ...reply, about: { ...about, askKey: key } }));
}

/** About what it is: the same thing asked of again by nobody is a loop, in whichever conversation. */
export function causeOf({ conversation }: Ask): string {
  const { issueId } = conversation.subject;
  return typeof issueId === 'string' ? issueId : conversation.key;
}

/** What is said when a conversation is paused: said in it all the same. */
export function paused({ key }: Ask, text: string): Ending {
  const say: Said[] = [{ key: `paused/${key}`, content: { type: 'paused', text } }];
  return { state: 'refused', outcome: 'stopped-by-breaker', say };
}

const repositoryOf = (plan: Case['plan']): string | null =>
  plan && 'repository' in plan ? plan.repository : null;

/** Who asked, who that is here, and by what it was decided: kept with the ask, and with the workspace. */
export function decisionOn({
  ask,
  who,
  plan,
  atOnce,
}: Pick<Case, 'ask' | 'who' | 'plan' | 'atOnce'>): JsonObject {
  const { system, asker, key, about } = ask;
  const by = asker && { system, externalId: asker.externalId, handle: asker.handle, name: asker.name };
  const member =
    who?.outcome === 'linked'
      ? { userId: who.actor.userId, name: who.actor.name, accountId: who.accountId, proof: who.proof }
      : null;
  return {
    asker: by,
    member,
    charged: asker === null ? 'organization' : 'member',
    ask: key,
    cause: causeOf(ask),
    repository: 'repository' in ask.place ? ask.place.repository : repositoryOf(plan),
    ...(about ? { about: { ...about } } : {}),
    ...(atOnce > 0 ? { atOnce } : {}),
  };
}
