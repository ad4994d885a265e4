import type { Role } from '../contracts/index.js';
import type { ErrorCode } from '../kernel/index.js';

/** Why something may not be done with a membership, in words for people. */
export interface Objection {
  code: Extract<ErrorCode, 'forbidden' | 'last-owner'>;
  message: string;
}

/** What the rules need to know: who acts, upon whom, and how many owners there are. */
export interface MembershipFacts {
  actor: Role;
  target: Role;
  /** The actor acts upon themselves. */
  isSelf: boolean;
  owners: number;
}

const rank: Record<Role, number> = { member: 0, admin: 1, owner: 2 };

const forbidden = (message: string): Objection => ({ code: 'forbidden', message });
const lastOwner: Objection = {
  code: 'last-owner',
  message: 'An organization needs an owner, and this is the last one. Make somebody else an owner first.',
};

/** Whom a role may invite: nobody above itself, and members nobody. */
export function objectionToInvite(actor: Role, invited: Role): Objection | null {
  if (actor === 'member') return forbidden('Only an admin of the organization may invite.');
  if (rank[invited] > rank[actor]) return forbidden('Only an owner may invite an owner.');
  return null;
}

/** Owners act upon everybody, admins upon members, members upon nobody; a new role is never above the actor's own. Oneself one may only lower. */
export function objectionToRole(facts: MembershipFacts, role: Role): Objection | null {
  if (facts.isSelf) {
    if (rank[role] > rank[facts.actor])
      return forbidden('Nobody raises themselves. Ask an owner of the organization.');
  } else {
    const objection = objectionToActUpon(facts);
    if (objection) return objection;
    if (rank[role] > rank[facts.actor]) return forbidden('Only an owner may make somebody an owner.');
  }
  return role === 'owner' ? null : objectionToLoss(facts);
}

/** As for roles; and everybody may leave. */
export function objectionToRemoval(facts: MembershipFacts): Objection | null {
  return (facts.isSelf ? null : objectionToActUpon(facts)) ?? objectionToLoss(facts);
}

function objectionToActUpon({ actor, target }: MembershipFacts): Objection | null {
  if (actor === 'member') return forbidden('Only an admin of the organization may do that.');
  if (actor === 'admin' && target !== 'member')
    return forbidden('Only an owner may do that to an admin or an owner.');
  return null;
}

function objectionToLoss({ target, owners }: MembershipFacts): Objection | null {
  return target === 'owner' && owners <= 1 ? lastOwner : null;
}
