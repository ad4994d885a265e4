import type { ProxyCommand } from '../contracts/proxy.js';
import { NO_CAUSE, Secret, type Cause, type Clock, type Ids, type Log } from '../kernel/index.js';
import { BudgetGate } from './budget-gate.js';
import type { Observers } from './call-record.js';
import { CallsUnderWay } from './calls-under-way.js';
import type { ControlPlane } from './control-plane.js';
import { AllowedHosts } from './egress/allowed-hosts.js';
import { BlockedReports } from './egress/blocked-reports.js';
import type { Destinations } from './egress/destinations.js';
import type { Network } from './egress/network.js';
import { Tunnels } from './egress/tunnels.js';
import { GitRepository } from './git-repository.js';
import { LeaseCache, type HeldCredential } from './leases.js';
import type { Limits } from './limits.js';
import { Placeholder } from './placeholder.js';
import type { Pools, Target } from './pools.js';
import { ReportOutbox } from './reports.js';
import { BodyBudget } from './request-body.js';
import type { TargetName } from './upstreams/adapter.js';

/** What all workspaces of one proxy share. */
export interface ProxyContext {
  controlPlane: Pick<ControlPlane, 'post'>;
  /** True where no credential can be renewed: what upstream says of one goes to the agent as it is. */
  passesRefusals: boolean;
  /** Where requests go; a ChatGPT login has a target of its own, and an AWS key one in its region. */
  targets: Record<TargetName, (credential: HeldCredential) => Target>;
  /** Ids at Bedrock by a model's name, where the owner of the instance says so. */
  bedrockModels: Readonly<Record<string, string>>;
  pools: Pools;
  network: Network;
  /** Where tunnels go. */
  destinations: Destinations;
  clock: Clock;
  ids: Ids;
  log: Log;
  limits: Limits;
  observers: Observers;
}

export type OpenCommand = Extract<ProxyCommand, { type: 'open' }>;

/** What makes a workspace. Without a placeholder whoever reaches it may send. */
export type WorkspaceOptions = Pick<OpenCommand, 'workspaceId' | 'proxyToken' | 'git'> & {
  placeholder: string | null;
};

/** One workspace as the proxy knows it while its socket is open. */
export class Workspace {
  readonly id: string;
  readonly placeholder: Placeholder;
  readonly leases: LeaseCache;
  readonly reports: ReportOutbox;
  readonly budget: BudgetGate;
  readonly bodies: BodyBudget;
  readonly calls: CallsUnderWay;
  readonly allowedHosts: AllowedHosts;
  readonly blocked: BlockedReports;
  readonly tunnels: Tunnels;
  /** Whose doing the latest model call was; the log's lines name it. */
  cause: Cause = NO_CAUSE;
  #token: Secret;
  #git: GitRepository | null;
  /** Meters that still read the end of their answer. */
  readonly #meters = new Set<Promise<void>>();

  constructor(
    command: WorkspaceOptions,
    readonly context: ProxyContext,
  ) {
    const { controlPlane, clock, ids, log, limits } = context;
    const workspaceId = command.workspaceId;
    const token = (): Secret => this.#token;
    this.id = workspaceId;
    this.placeholder = new Placeholder(command.placeholder);
    this.leases = new LeaseCache({ workspaceId, token, controlPlane, clock, log });
    this.reports = new ReportOutbox({ workspaceId, token, controlPlane, ids, log, limits });
    this.budget = new BudgetGate(this.leases, () => this.#accounted());
    this.calls = new CallsUnderWay({ workspaceId, token, controlPlane, log, limits });
    this.allowedHosts = new AllowedHosts({ workspaceId, token, controlPlane, clock, log, limits });
    const add = this.reports.add.bind(this.reports);
    this.blocked = new BlockedReports({ workspaceId, add, clock, log, limits });
    this.tunnels = new Tunnels({ workspaceId, allowed: this.allowedHosts, log, limits });
    this.bodies = new BodyBudget(limits.maxWorkspaceBodyBytes);
    this.#token = new Secret(command.proxyToken);
    this.#git = this.#repository(command);
  }

  /** The repository that git may reach; null when it is not reached over https. */
  get git(): GitRepository | null {
    return this.#git;
  }

  /**
   * Takes over a new token and repository. Streams under way go on and report with the new token. No lease of before is used again: opening
   * anew means that credentials are resolved anew.
   */
  renew(command: WorkspaceOptions): void {
    this.#git = this.#repository(command);
    this.#token = new Secret(command.proxyToken);
    this.leases.clear();
  }

  #repository({ git }: WorkspaceOptions): GitRepository | null {
    return git && new GitRepository(git, this.context.pools);
  }

  /** Keeps `close` waiting for a meter's last report. */
  track(meter: Promise<void>): void {
    this.#meters.add(meter);
    void meter.finally(() => this.#meters.delete(meter));
  }

  async #accounted(): Promise<void> {
    await Promise.all(this.#meters);
    await this.reports.delivered();
  }

  /** Delivers the last reports, within the time that the limits allow. The socket must be closed before. */
  async close(): Promise<void> {
    await Promise.all(this.#meters);
    await this.reports.close();
  }
}
