import type { BlockedReason } from './proxy.js';

/** A way out that an agent asked for and was not given. `host` as it was asked for, cut and clean of control characters. */
export interface Blocked {
  host: string;
  /** Null where none was told, or none that could be read. */
  port: number | null;
  reason: BlockedReason;
}

/** Why it was refused and who can change that: one sentence or two, the same for the agent, the event log and people. ASCII as far as `host` is. */
export function blockedSentence({ host, port, reason }: Blocked): string {
  const place = port === null || port === 443 ? host : `${host}:${port}`;
  switch (reason) {
    case 'not-https':
      return `Berth lets nothing but https on port 443 out of this workspace, and ${place} was asked for otherwise. Use https:// and a host that the organization allows.`;
    case 'not-a-host':
      return `Berth lets this workspace reach hosts by their names only, and ${place} is none that can be allowed. Use the host's name.`;
    case 'not-allowed':
      return `Berth does not let this workspace reach ${place}: it is not among the hosts that the organization allows. An admin of the organization can allow it (berth egress allow ${host}).`;
    case 'private-address':
      return `Berth does not let this workspace reach ${place}: its address is in a private network or of Berth's own machine. Who runs this Berth can name it in BERTH_EGRESS_PRIVATE_HOSTS.`;
    case 'other-name':
      return `Berth ended this connection to ${place}: what was sent is not TLS to the host that was asked for (its server name must be ${host}).`;
  }
}
