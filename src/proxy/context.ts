import {
  noTracer,
  systemClock,
  systemIds,
  BerthError,
  type Clock,
  type Ids,
  type Log,
} from '../kernel/index.js';
import type { PrivateHost } from '../contracts/proxy.js';
import type { Observers } from './call-record.js';
import type { ControlPlane } from './control-plane.js';
import { Destinations } from './egress/destinations.js';
import { systemNetwork, type Network } from './egress/network.js';
import { defaultLimits, type Limits } from './limits.js';
import { Pools, type Target } from './pools.js';
import type { ProxyContext } from './workspace.js';

export interface ContextOptions {
  anthropicUrl: string;
  openaiUrl: string;
  chatgptUrl: string;
  /** With `{region}` in it where each region has a host of its own. */
  bedrockUrl: string;
  /** Ids at Bedrock by a model's name, beside the table in upstreams/bedrock/models.ts. */
  bedrockModels: Readonly<Record<string, string>>;
  /** Hosts in private networks that agents may be let to all the same. */
  privateHosts?: readonly PrivateHost[];
  /** False by default. */
  passesRefusals?: boolean;
  log: Log;
  /** The machine's by default. */
  network?: Network;
  clock?: Clock;
  ids?: Ids;
  limits?: Partial<Limits>;
  /** Nobody by default. */
  observers?: Observers;
}

/** What a control plane is made with. */
export type ContextBase = Pick<ProxyContext, 'pools' | 'limits' | 'clock'>;

/** For an address of which only the rest matters. */
const ANY_REGION = 'us-east-1';

const nobody: Observers = {
  tracer: noTracer,
  measured: () => undefined,
  held: () => undefined,
  tunnel: () => undefined,
};

/** What the workspaces of a proxy share. Throws BerthError `config-invalid` when a URL is neither http nor https. */
export function contextOf(
  options: ContextOptions,
  controlPlane: (base: ContextBase) => Pick<ControlPlane, 'post'>,
): ProxyContext {
  const limits = { ...defaultLimits, ...options.limits };
  const network = options.network ?? systemNetwork;
  const destinations = new Destinations(network, options.privateHosts ?? []);
  const pools = new Pools(limits, destinations.lookup);
  const clock = options.clock ?? systemClock;
  return {
    controlPlane: controlPlane({ pools, limits, clock }),
    passesRefusals: options.passesRefusals ?? false,
    targets: targetsOf(options, pools),
    bedrockModels: options.bedrockModels,
    pools,
    network,
    destinations,
    clock,
    ids: options.ids ?? systemIds,
    log: options.log,
    limits,
    observers: options.observers ?? nobody,
  };
}

function targetsOf(options: ContextOptions, pools: Pools): ProxyContext['targets'] {
  const target = (url: string): Target => pools.target(checkedUrl(url));
  const always = (url: string): (() => Target) => {
    const one = target(url);
    return () => one;
  };
  const inRegion = (region: string): string => options.bedrockUrl.replace('{region}', region);
  checkedUrl(inRegion(ANY_REGION));
  return {
    anthropic: always(options.anthropicUrl),
    openai: always(options.openaiUrl),
    chatgpt: always(options.chatgptUrl),
    bedrock: ({ aws }) => target(inRegion(aws?.region ?? ANY_REGION)),
  };
}

/** The URL itself. Throws BerthError `config-invalid` when it is neither http nor https. */
export function checkedUrl(url: string): string {
  const { protocol } = new URL(url);
  if (protocol === 'https:' || protocol === 'http:') return url;
  throw new BerthError(
    'config-invalid',
    `The proxy reaches http and https addresses only, not ${protocol}//. Correct the setting.`,
  );
}
