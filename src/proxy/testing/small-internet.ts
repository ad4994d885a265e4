import type { LookupAddress } from 'node:dns';
import net, { type Socket } from 'node:net';
import type { Network } from '../egress/network.js';

/** An address of the open internet, for names of a test. */
export const PUBLIC = '93.184.216.34';

/** The open internet of a test: names with their addresses, all of which are served by one port on loopback. */
export class SmallInternet implements Network {
  readonly names = new Map<string, string[]>();
  /** What was asked for. */
  readonly lookups: string[] = [];
  /** Where a connection was begun to: the addresses that it may take. */
  readonly connects: string[][] = [];
  /** Addresses of the machine that the proxy is on. */
  readonly machine = new Set<string>();
  /** The port behind all addresses. */
  port = 0;

  lookup = (host: string): Promise<LookupAddress[]> => {
    this.lookups.push(host);
    const addresses = this.names.get(host);
    if (!addresses)
      return Promise.reject(Object.assign(new Error(`no such name: ${host}`), { code: 'ENOTFOUND' }));
    return Promise.resolve(addresses.map((address) => ({ address, family: net.isIP(address) })));
  };

  own = (): ReadonlySet<string> => this.machine;

  connect = (_host: string, addresses: LookupAddress[], port: number): Socket => {
    this.connects.push(addresses.map(({ address }) => `${address} ${port}`));
    return net.connect({ host: '127.0.0.1', port: this.port, allowHalfOpen: true });
  };
}
