import { Injectable } from '@nestjs/common';
import type { Kind, Scope } from '../contracts/index.js';
import { administers, type Actor } from '../identity/index.js';
import { BerthError } from '../kernel/index.js';
import type { CredentialPlace } from './credentials.store.js';
import { kinds } from './kinds.js';
import { CredentialPolicy } from './choosing.js';
import { subscriptionAllowed } from './resolution.js';

/** Which credentials a person may change, and which this Berth allows at all. */
@Injectable()
export class CredentialPlaces {
  constructor(private readonly policy: CredentialPolicy) {}

  /** The actor's own, or the organization's. */
  toSee(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
    return { scope, kind, userId: scope === 'user' ? actor.userId : null };
  }

  /** The actor's own or (admins) the organization's. Throws `forbidden`. */
  toChange(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
    if (scope === 'organization' && !administers(actor)) {
      throw new BerthError(
        'forbidden',
        'Only an admin may change the credentials of the organization. Use the scope user for your own.',
      );
    }
    return this.toSee(actor, scope, kind);
  }

  /** As `toChange`, and of a kind that the instance's owner lets people bring there. Throws `forbidden`. */
  toFill(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
    const place = this.toChange(actor, scope, kind);
    if (kinds[kind].subscription && !subscriptionAllowed(scope, this.policy.subscriptions)) {
      throw new BerthError(
        'forbidden',
        `This Berth does not allow a ${kinds[kind].title} here. Use an API key, or ask who runs it (BERTH_SUBSCRIPTION_OAUTH).`,
      );
    }
    return place;
  }
}

export function noSuchCredential(kind: Kind): BerthError {
  return new BerthError(
    'not-found',
    `There is no ${kinds[kind].title} here. "berth credentials list" (GET …/credentials) shows what there is.`,
  );
}
