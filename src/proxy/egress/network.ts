import { lookup, type LookupAddress } from 'node:dns';
import { networkInterfaces } from 'node:os';
import net, { type LookupFunction, type Socket } from 'node:net';

/** The network as the proxy uses it for hosts that people and agents name. An argument, so that tests need no open internet. */
export interface Network {
  /** Every address of a name. Rejects when it has none. */
  lookup: (host: string) => Promise<LookupAddress[]>;
  /** The addresses of this machine, however public they are: what listens on all of them answers there. */
  own: () => ReadonlySet<string>;
  /** Begins to connect to one of these addresses, and never to another. */
  connect: (host: string, addresses: LookupAddress[], port: number) => Socket;
}

/** The machine's resolver, its hosts file included, and its network. */
export const systemNetwork: Network = {
  lookup: (host) =>
    new Promise((resolve, reject) => {
      lookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
    }),
  own: () =>
    new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))),
  // The name is not asked for again: a second answer could be another one than was checked (DNS rebinding).
  connect: (host, addresses, port) =>
    net.connect({ host, port, lookup: answering(addresses), allowHalfOpen: true }),
};

/** A look-up, as sockets ask for it, that knows its answer. */
export function answering(addresses: LookupAddress[]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all === true) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? '', first?.family);
  };
}
