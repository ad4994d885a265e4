import type { Blocked } from '../../contracts/egress-sentences.js';
import { hostNameOf } from '../../kernel/index.js';

/** The one port of tunnels: where https is spoken, and where registries are. Another port would open what trusts its network: shells, mail, databases. */
export const TUNNEL_PORT = 443;
const MAX_SHOWN = 255;

/** Where a tunnel is to lead, or why that is no place for one. */
export type ConnectTarget = { host: string; reason?: undefined } | Blocked;

/** Reads the target of a CONNECT: `host:port` and nothing else. A host has one spelling here, and an address has none (src/kernel/host-name.ts). */
export function parseConnectTarget(authority: string): ConnectTarget {
  const match = /^([^:]*):(\d{1,5})$/.exec(authority);
  const port = match ? Number(match[2]) : null;
  const host = hostNameOf(match?.[1] ?? '');
  if (host === null || port === null || port > 65_535)
    return { host: shown(match?.[1] ?? authority), port: null, reason: 'not-a-host' };
  return port === TUNNEL_PORT ? { host } : { host, port, reason: 'not-https' };
}

/** What a request in absolute form (`http://example.com/…`) asked for; null for another target. */
export function parseAbsoluteTarget(url: string): Blocked | null {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url);
  if (!match) return null;
  const [, host = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(match[1] ?? '') ?? [];
  const known = port !== undefined && Number(port) <= 65_535 ? Number(port) : null;
  return { host: shown(host), port: known, reason: 'not-https' };
}

/** A text of the agent's as others may see it: visible ASCII, and not too much of it. */
function shown(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '?').slice(0, MAX_SHOWN) || '?';
}
