import { isIP } from 'node:net';
import { hostNameOf } from '../kernel/index.js';

/** A host in a private network that agents may be let to (contracts/proxy.ts). */
export interface PrivateHost {
  name: string;
  address: string | null;
  port: number | null;
}

const WITH_ADDRESS = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/;

/** Reads `name` and `name=address[:port]`, with commas between. Null when one is neither, or a name comes twice. */
export function parsePrivateHosts(text: string): PrivateHost[] | null {
  const hosts = text.split(',').map((entry) => parse(entry.trim()));
  const known = hosts.filter((host) => host !== null);
  const isClear =
    known.length === hosts.length && new Set(known.map(({ name }) => name)).size === known.length;
  return isClear ? known : null;
}

function parse(entry: string): PrivateHost | null {
  const [before = '', after, ...rest] = entry.split('=');
  const name = hostNameOf(before);
  if (name === null || rest.length > 0) return null;
  if (after === undefined) return { name, address: null, port: null };
  const [, v6, v4, digits] = WITH_ADDRESS.exec(after) ?? [];
  const address = v6 ?? v4 ?? '';
  const port = digits === undefined ? null : Number(digits);
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || port === 0 || (port ?? 0) > 65_535) return null;
  return { name, address, port };
}

/** A git host of one's own as a private one, since it is configured by its name; none for github.com itself, or when an address is configured, or this machine. */
export function privateGitHost(githubUrl: string): PrivateHost[] {
  const name = hostNameOf(new URL(githubUrl).hostname);
  return name === null || name === 'github.com' ? [] : [{ name, address: null, port: null }];
}
