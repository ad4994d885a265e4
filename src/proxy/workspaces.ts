import {
  noTracer,
  systemClock,
  systemIds,
  BerthError,
  type Clock,
  type Ids,
  type Log,
} from '../kernel/index.js';
import type { Observers } from './call-record.js';
import type { PrivateHost } from '../contracts/proxy.js';
import { ControlPlane } from './control-plane.js';
import { Destinations } from './egress/destinations.js';
import { systemNetwork, type Network } from './egress/network.js';
import { defaultLimits, type Limits } from './limits.js';
import { Placeholder } from './placeholder.js';
import { Pools, type Target } from './pools.js';
import { Workspace, type OpenCommand, type ProxyContext } from './workspace.js';
import { WorkspaceServer } from './workspace-server.js';

export interface ProxyOptions {
  /** The control plane, for leases and reports. */
  internalUrl: string;
  anthropicUrl: string;
  openaiUrl: string;
  chatgptUrl: string;
  /** With `{region}` in it where each region has a host of its own. */
  bedrockUrl: string;
  /** Ids at Bedrock by a model's name, beside the table in upstreams/bedrock/models.ts. */
  bedrockModels: Readonly<Record<string, string>>;
  /** Hosts in private networks that agents may be let to all the same. */
  privateHosts?: readonly PrivateHost[];
  log: Log;
  /** The machine's by default. */
  network?: Network;
  clock?: Clock;
  ids?: Ids;
  limits?: Partial<Limits>;
  /** Nobody by default. */
  observers?: Observers;
}

/** For an address of which only the rest matters. */
const ANY_REGION = 'us-east-1';

const nobody: Observers = {
  tracer: noTracer,
  measured: () => undefined,
  held: () => undefined,
  tunnel: () => undefined,
};

interface Open {
  server: WorkspaceServer;
  workspace: Workspace;
}

/** All open workspaces of this proxy. `open` and `close` of one workspace run one after the other, in the order they were asked for. */
export class Workspaces {
  readonly #context: ProxyContext;
  readonly #open = new Map<string, Open>();
  readonly #last = new Map<string, Promise<unknown>>();

  /** Throws BerthError `config-invalid` when a URL is neither http nor https. */
  constructor(options: ProxyOptions) {
    const limits = { ...defaultLimits, ...options.limits };
    const network = options.network ?? systemNetwork;
    const destinations = new Destinations(network, options.privateHosts ?? []);
    const pools = new Pools(limits, destinations.lookup);
    const target = (url: string): Target => pools.target(checked(url));
    const always = (url: string): (() => Target) => {
      const one = target(url);
      return () => one;
    };
    const inRegion = (region: string): string => options.bedrockUrl.replace('{region}', region);
    checked(inRegion(ANY_REGION));
    this.#context = {
      controlPlane: new ControlPlane(target(options.internalUrl), limits.controlPlaneTimeoutSeconds),
      targets: {
        anthropic: always(options.anthropicUrl),
        openai: always(options.openaiUrl),
        chatgpt: always(options.chatgptUrl),
        bedrock: ({ aws }) => target(inRegion(aws?.region ?? ANY_REGION)),
      },
      bedrockModels: options.bedrockModels,
      pools,
      network,
      destinations,
      clock: options.clock ?? systemClock,
      ids: options.ids ?? systemIds,
      log: options.log,
      limits,
      observers: options.observers ?? nobody,
    };
  }

  /**
   * Opens a workspace's socket. For one that is open with the same socket and placeholder, token and repository are replaced and streams under
   * way go on; else the old socket is closed first. Rejects with a sentence for people.
   */
  open(command: OpenCommand): Promise<void> {
    return this.#inTurn(command.workspaceId, async () => {
      if (command.git) checked(command.git.upstreamUrl);
      const current = this.#open.get(command.workspaceId);
      const samePlaceholder = current?.workspace.placeholder.equals(new Placeholder(command.placeholder));
      if (current?.server.socketPath === command.socketPath && samePlaceholder) {
        current.workspace.renew(command);
        return;
      }
      await this.#shut(command.workspaceId);
      const workspace = new Workspace(command, this.#context);
      const server = new WorkspaceServer(workspace, command.socketPath);
      await server.listen();
      this.#open.set(command.workspaceId, { server, workspace });
      this.#context.log.info({ workspaceId: command.workspaceId }, 'workspace open');
    });
  }

  /** Closes a workspace's socket and delivers its last reports. A workspace that is not open is no error. */
  close(workspaceId: string): Promise<void> {
    return this.#inTurn(workspaceId, () => this.#shut(workspaceId));
  }

  /** No workspace uses a lease of this credential again; who needs it asks anew. Calls under way with it end if people took it away. */
  forget(credentialId: string): void {
    for (const { workspace } of this.#open.values()) {
      workspace.leases.forget(credentialId);
      workspace.calls.changed(credentialId);
    }
  }

  /** Closes everything, for the orderly end of the process. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((workspaceId) => this.close(workspaceId)));
    await this.#context.pools.destroy();
  }

  async #shut(workspaceId: string): Promise<void> {
    const open = this.#open.get(workspaceId);
    if (!open) return;
    this.#open.delete(workspaceId);
    // Connections first, so that their last reports are queued before the outbox is emptied.
    await open.server.close();
    await open.workspace.close();
    this.#context.log.info({ workspaceId }, 'workspace closed');
  }

  #inTurn<T>(workspaceId: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(workspaceId) ?? Promise.resolve();
    const mine = before.then(action, action);
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(workspaceId) === settled) this.#last.delete(workspaceId);
      });
    this.#last.set(workspaceId, settled);
    return mine;
  }
}

function checked(url: string): string {
  const { protocol } = new URL(url);
  if (protocol === 'https:' || protocol === 'http:') return url;
  throw new BerthError(
    'config-invalid',
    `The proxy reaches http and https addresses only, not ${protocol}//. Correct the setting.`,
  );
}
