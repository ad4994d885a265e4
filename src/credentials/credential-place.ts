import type { Kind, Scope } from '../contracts/index.js';
import { administers, type Actor } from '../identity/index.js';
import { BerthError } from '../kernel/index.js';
import type { CredentialPlace } from './credentials.store.js';
import { kinds } from './kinds.js';

/** The place of a credential that the actor sees: their own, or the organization's. */
export function seenPlace(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
  return { scope, kind, userId: scope === 'user' ? actor.userId : null };
}

/** The place of one that the actor may change. Throws `forbidden`. */
export function ownPlace(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
  if (scope === 'organization' && !administers(actor)) {
    throw new BerthError(
      'forbidden',
      'Only an admin may change the credentials of the organization. Use the scope user for your own.',
    );
  }
  return seenPlace(actor, scope, kind);
}

export function noSuchCredential(kind: Kind): BerthError {
  return new BerthError('not-found', `There is no ${kinds[kind].title} here.`);
}
