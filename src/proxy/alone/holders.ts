import type { LeaseSecret } from '../../contracts/proxy.js';
import type { Clock } from '../../kernel/index.js';
import type { Identity } from './identity.js';
import type { Holder } from './local-control-plane.js';

/** A key has no end; a lease of it is made anew now and then. */
const KEY_LEASE_MS = 3_600_000;

/** A key that is what it is: there is no newer one to ask for. */
export function holderOfKey(lend: () => LeaseSecret, clock: Clock): Holder {
  return {
    lease: () => {
      const expiresAt = new Date(clock.now().getTime() + KEY_LEASE_MS);
      return Promise.resolve({ secret: lend(), generation: 1, expiresAt });
    },
    refused: () => undefined,
    served: () => undefined,
  };
}

export function holderOfIdentity(identity: Identity): Holder {
  return {
    lease: async () => {
      const available = await identity.get();
      if (!('lend' in available)) return available;
      const { lend, generation, expiresAt } = available;
      return { secret: lend(), generation, expiresAt };
    },
    refused: (generation) => identity.refused(generation),
    served: (generation) => identity.served(generation),
  };
}
