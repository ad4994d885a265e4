import type { LookupAddress } from 'node:dns';
import net, { type LookupFunction } from 'node:net';
import type { PrivateHost } from '../../contracts/proxy.js';
import { Turnstile } from '../../kernel/index.js';
import { isPrivate, isPublic } from './addresses.js';
import { TUNNEL_PORT } from './connect-target.js';
import { answering, type Network } from './network.js';

/**
 * How many names that agents and people chose are looked up at a time. The system's resolver has four threads in a proxy (half of its UV_THREADPOOL_SIZE), and a name whose server does not
 * answer holds one for many seconds: the model providers of everybody else are to be found meanwhile.
 */
const AT_A_TIME = 2;

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
  readonly #turns = new Turnstile(AT_A_TIME);
  /** One at a time of each who asks, so that one who asks much waits for their own. */
  readonly #ownTurns = new Turnstile(1);

  constructor(
    private readonly network: Network,
    privateHosts: readonly PrivateHost[],
  ) {
    this.#privateHosts = new Map(privateHosts.map((host) => [host.name, host]));
  }

  /** `asker`: a name for who asks. Rejects with PrivateAddress, or with what the resolver or the signal said. */
  async of(host: string, asker = host, signal?: AbortSignal): Promise<Destination> {
    const named = this.#privateHosts.get(host);
    if (named?.address)
      return {
        addresses: [{ address: named.address, family: net.isIP(named.address) }],
        port: named.port ?? TUNNEL_PORT,
      };
    const addresses = await this.#lookUp(host, asker, signal);
    const own = this.network.own();
    const isFine = ({ address }: LookupAddress): boolean =>
      !own.has(address) && (isPublic(address) || (named !== undefined && isPrivate(address)));
    if (addresses.length === 0 || !addresses.every(isFine)) throw new PrivateAddress(host);
    return { addresses, port: TUNNEL_PORT };
  }

  #lookUp(host: string, asker: string, signal?: AbortSignal): Promise<LookupAddress[]> {
    const lookUp = async (): Promise<LookupAddress[]> => {
      // Nobody waits for it any more, and others do.
      signal?.throwIfAborted();
      return this.network.lookup(host);
    };
    return this.#ownTurns.run(asker, () => this.#turns.run('', lookUp));
  }

  /** For sockets that ask by themselves: the same check, and the socket connects to what was checked. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.of(host).then(
      ({ addresses }) => answering(addresses)(host, options, callback),
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    );
  };
}
