import type { ExternalSystem } from '../../contracts/index.js';
import type { Actor } from '../actor.js';

/** Somebody as another system knows them. */
export interface ExternalPerson {
  system: ExternalSystem;
  /** The id that never changes hands, as text. */
  externalId: string;
  /** What people call them there: a login, which its owner may change, and anybody may take up then. */
  handle: string | null;
  name: string | null;
  email: string | null;
  /** The other system vouches that the address is theirs. */
  emailProven: boolean;
  isApp: boolean;
  isActive: boolean;
}

/** By what it was proven that an account is a member's. `disconnected`: they took it back themselves, and no address makes it theirs again. */
export type AccountProof = 'authorization' | 'installation' | 'verified-domain' | 'email' | 'disconnected';

export type Refusal = 'app' | 'inactive' | 'handle-taken' | 'ambiguous';

/** Who a person of another system is here. */
export type Found =
  | { outcome: 'linked'; actor: Actor; accountId: string; proof: AccountProof }
  | { outcome: 'unlinked' }
  | { outcome: 'refused'; reason: Refusal };

/** What is known here that could be about them. */
export interface AccountFacts {
  /** The account with their id. */
  byId: { id: string; userId: string; handle: string | null; proof: AccountProof } | null;
  /** Whether their handle is that of an account with another id. */
  isHandleOfAnother: boolean;
  /** Members with their address, verified, and whether each has an account at this system already. */
  byEmail: { userId: string; hasAccount: boolean }[];
}

export type Decision =
  | { do: 'known'; isRenamed: boolean }
  | { do: 'link'; userId: string }
  | { do: 'nothing' }
  | { do: 'refuse'; reason: Refusal };

/**
 * Who they are. The id first: what it says, no handle and no address can change. Then, once, the address, if both sides vouch for it and it is one member's, who has no other account there:
 * an address that changed hands moves nothing.
 */
export function decideWho(
  person: ExternalPerson,
  { byId, isHandleOfAnother, byEmail }: AccountFacts,
): Decision {
  if (person.isApp) return { do: 'refuse', reason: 'app' };
  if (!person.isActive) return { do: 'refuse', reason: 'inactive' };
  if (byId?.proof === 'disconnected') return { do: 'nothing' };
  if (byId) return { do: 'known', isRenamed: person.handle !== null && person.handle !== byId.handle };
  // Whoever took up a name that a member gave away must not be taken for them, by an address neither: one of the two is not what it seems.
  if (isHandleOfAnother) return { do: 'refuse', reason: 'handle-taken' };
  if (byEmail.length > 1) return { do: 'refuse', reason: 'ambiguous' };
  const [member] = byEmail;
  return member && !member.hasAccount ? { do: 'link', userId: member.userId } : { do: 'nothing' };
}

type Row = { userId: string; proof: AccountProof } | null;

/**
 * What becomes of an account that is to be a member's, by the row of that account (`there`) and the member's own at this system. Who came from there themselves (`authorization`) takes it in place
 * of another of theirs, or takes up one that was given back; no other proof moves anything, nor undoes a giving back.
 */
export function decideLink(
  userId: string,
  proof: AccountProof,
  there: Row,
  own: Row,
): 'taken' | 'nothing' | 'write' {
  if (proof === 'authorization')
    return there && there.userId !== userId && there.proof !== 'disconnected' ? 'taken' : 'write';
  if (there && there.userId !== userId) return 'taken';
  return own ? 'nothing' : 'write';
}

/** The addresses that GitHub makes up for who shows none. */
const MADE_UP = '@users.noreply.github.com';

/**
 * An address to compare: trimmed, in lower case. Of ASCII alone, since full folding makes one of two letters (the Kelvin sign and k) that two people may have in their addresses. Null where it
 * proves nothing. A `+tag` stays: who receives mail there is for the other side to say.
 */
export function provenEmail({ email, emailProven }: ExternalPerson): string | null {
  const folded = email?.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase()) ?? '';
  return emailProven && folded.includes('@') && !folded.endsWith(MADE_UP) ? folded : null;
}
