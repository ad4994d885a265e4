import type { LookupAddress } from 'node:dns';
import net, { type LookupFunction } from 'node:net';
import type { PrivateHost } from '../../contracts/proxy.js';
import { isPrivate, isPublic } from './addresses.js';
import { TUNNEL_PORT } from './connect-target.js';
import { answering, type Network } from './network.js';

/** Where a host really is: addresses that were checked. */
export interface Destination {
  addresses: LookupAddress[];
  port: number;
}

/** The name leads to where nobody outside may reach. */
export class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress';
  readonly code = 'BERTH_PRIVATE_ADDRESS';

  constructor(readonly host: string) {
    super(`${host} leads into a private network`);
  }
}

/**
 * Names to addresses. One private address among several is enough to refuse: which one is taken is otherwise up to whoever answers for the name. Who runs Berth may name hosts
 * that are in a private network: with an address it is that one and no other; without, any of a private network, but never this machine or a metadata service.
 */
export class Destinations {
  readonly #privateHosts: ReadonlyMap<string, PrivateHost>;

  constructor(
    private readonly network: Network,
    privateHosts: readonly PrivateHost[],
  ) {
    this.#privateHosts = new Map(privateHosts.map((host) => [host.name, host]));
  }

  /** Rejects with PrivateAddress, or with what the resolver said. */
  async of(host: string): Promise<Destination> {
    const named = this.#privateHosts.get(host);
    if (named?.address)
      return {
        addresses: [{ address: named.address, family: net.isIP(named.address) }],
        port: named.port ?? TUNNEL_PORT,
      };
    const addresses = await this.network.lookup(host);
    const own = this.network.own();
    const isFine = ({ address }: LookupAddress): boolean =>
      !own.has(address) && (isPublic(address) || (named !== undefined && isPrivate(address)));
    if (addresses.length === 0 || !addresses.every(isFine)) throw new PrivateAddress(host);
    return { addresses, port: TUNNEL_PORT };
  }

  /** For sockets that ask by themselves: the same check, and the socket connects to what was checked. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.of(host).then(
      ({ addresses }) => answering(addresses)(host, options, callback),
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    );
  };
}
