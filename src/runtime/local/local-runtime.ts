import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { BerthError, KeyedLock, messageOf, Secret, silentMetrics } from '../../kernel/index.js';
import type { Runtime, RuntimeStart, WorkspacePresence } from '../runtime.js';
import { within } from './deadline.js';
import { runtimeFailure } from './failures.js';
import { FolderListing } from './folder-listing.js';
import { type WorkspaceFiles, workspaceFiles, workspacesFolder } from './layout.js';
import type { LocalRuntimeOptions } from './options.js';
import { ProxyProcess } from './proxy-process.js';
import { removeTree } from './remove-tree.js';
import { boundLog } from './runner-log.js';
import { runningWorkspaces } from './runner-process.js';
import { SandboxChooser } from './sandbox-choice.js';
import { WorkspaceRunner } from './workspace-runner.js';

const LOG_CHECK_EVERY_MS = 60_000;
/** Room for a start that is under way when `close` is called. */
const CLOSE_WAIT_MS = 30_000;
/** A control plane on the way down or up does not count as there. */
const REACH_MS = 3_000;

/**
 * Runs workspaces as processes of this machine (Linux): one runner per workspace, each in a session of its own, and one proxy for all.
 * Runners outlive Berth and are adopted by the next one; the proxy does not.
 */
export class LocalRuntime implements Runtime {
  private readonly lock = new KeyedLock();
  private readonly sandbox: SandboxChooser;
  private readonly runners: WorkspaceRunner;
  private readonly folders: FolderListing;
  private proxy: ProxyProcess | null = null;
  private opening: Promise<void> | null = null;
  private closing = false;
  private logCheck: NodeJS.Timeout | undefined;

  constructor(private readonly options: LocalRuntimeOptions) {
    this.folders = new FolderListing(workspacesFolder(options.dataDirectory));
    this.sandbox = new SandboxChooser(options.sandboxMode, options.path, options.log);
    this.runners = new WorkspaceRunner({ ...options, ...defaults(options) }, this.sandbox);
  }

  get hostId(): string {
    return this.options.hostId;
  }

  /** Pid of the proxy process, when there is one. */
  get proxyPid(): number | undefined {
    return this.proxy?.pid;
  }

  async open(): Promise<void> {
    this.opening ??= this.openOnce();
    try {
      await this.opening;
    } catch (error) {
      this.opening = null;
      throw error;
    }
  }

  async start(request: RuntimeStart): Promise<{ adopted: boolean }> {
    const files = this.filesOf(request.workspaceId);
    return this.lock.run(request.workspaceId, async () => {
      const proxy = this.requireProxy();
      const route = {
        workspaceId: request.workspaceId,
        proxyToken: new Secret(request.proxyToken),
        git: request.git,
      };
      try {
        const adopted =
          (await this.runners.adopt(files, proxy, route)) ||
          (await this.runners.startNew(files, proxy, route, request));
        const { workspaceId, organizationId } = request;
        this.options.log.info({ workspaceId, organizationId, adopted }, 'runner runs');
        return { adopted };
      } catch (error) {
        throw this.failure(error, request.workspaceId, 'Starting the workspace');
      }
    });
  }

  async stop(workspaceId: string): Promise<void> {
    const files = this.filesOf(workspaceId);
    await this.lock.run(workspaceId, () => this.stopNow(files));
  }

  async destroy(workspaceId: string): Promise<void> {
    const files = this.filesOf(workspaceId);
    await this.lock.run(workspaceId, async () => {
      await this.stopNow(files);
      try {
        await removeTree(files.root);
      } catch (error) {
        throw this.failure(error, workspaceId, 'Removing the workspace’s files');
      }
    });
  }

  async inspect(workspaceId: string): Promise<WorkspacePresence> {
    const files = this.filesOf(workspaceId);
    try {
      if (await this.runners.isRunning(files))
        return this.proxy?.isOpen(workspaceId) ? 'running' : 'detached';
      return existsSync(files.root) ? 'stopped' : 'absent';
    } catch (error) {
      throw this.failure(error, workspaceId, 'Looking at the workspace');
    }
  }

  forget(credentialId: string): void {
    this.proxy?.forget(credentialId);
  }

  async list(): Promise<string[]> {
    return [...new Set([...(await this.listed()), ...this.runningIds()])].sort();
  }

  async listed(): Promise<ReadonlySet<string>> {
    try {
      return await this.folders.ids();
    } catch (error) {
      throw this.failure(error, undefined, 'Listing the workspaces');
    }
  }

  running(): Promise<string[]> {
    return Promise.resolve(this.runningIds());
  }

  async canReachBerth(): Promise<boolean> {
    try {
      const url = new URL('/healthz', this.options.internalUrl());
      const answer = await fetch(url, { signal: AbortSignal.timeout(REACH_MS) });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.opening?.catch(() => undefined);
    clearInterval(this.logCheck);
    const ids = new Set([...this.runningIds(), ...this.lock.keys()]);
    const stops = [...ids].map((id) => this.stop(id));
    const ended = await within(Promise.allSettled(stops), CLOSE_WAIT_MS);
    if (ended === 'timeout') this.options.log.error({}, 'some workspaces did not stop in time');
    await this.proxy?.stop();
  }

  private async openOnce(): Promise<void> {
    const { options } = this;
    const { nodeBinary, metrics, traceExport, privateHosts } = defaults(options);
    await this.sandbox.announce();
    this.proxy = new ProxyProcess({
      program: { nodeBinary, entry: options.proxyEntry, path: options.path },
      configuration: () => ({
        internalUrl: options.internalUrl(),
        anthropicUrl: options.anthropicUrl,
        openaiUrl: options.openaiUrl,
        chatgptUrl: options.chatgptUrl,
        bedrockUrl: options.bedrockUrl,
        bedrockModels: options.bedrockModels,
        privateHosts: [...privateHosts],
        ...(traceExport ? { traceExport } : {}),
      }),
      measured: ({ upstream, statusClass, seconds }) =>
        metrics.observe(
          'berth_proxy_request_duration_seconds',
          { upstream, status_class: statusClass },
          seconds,
        ),
      held: ({ upstream, outcome, seconds, resends }) => {
        metrics.observe('berth_proxy_held_seconds', { upstream, outcome }, seconds);
        if (resends > 0) metrics.count('berth_proxy_resends_total', { upstream }, resends);
      },
      tunnel: ({ outcome, bytesOut, bytesIn }) => {
        metrics.count('berth_egress_tunnels_total', { outcome });
        metrics.count('berth_egress_bytes_total', { direction: 'out' }, bytesOut);
        metrics.count('berth_egress_bytes_total', { direction: 'in' }, bytesIn);
      },
      ids: options.ids,
      log: options.log,
    });
    await this.proxy.start();
    this.logCheck = setInterval(() => void this.boundLogs(), LOG_CHECK_EVERY_MS);
    this.logCheck.unref();
  }

  private async stopNow(files: WorkspaceFiles): Promise<void> {
    try {
      await this.runners.end(files);
      // The route closes last: what the agent used until its end is still reported.
      await this.proxy?.close(files.workspaceId);
      await this.runners.forget(files);
    } catch (error) {
      throw this.failure(error, files.workspaceId, 'Stopping the workspace');
    }
  }

  private requireProxy(): ProxyProcess {
    if (this.proxy !== null && !this.closing) return this.proxy;
    const message = this.closing
      ? 'Berth is stopping. Try again once it runs.'
      : 'Berth is still starting. Try again in a moment.';
    throw new BerthError('not-ready', message, { retryAfterSeconds: 5 });
  }

  private filesOf(workspaceId: string): WorkspaceFiles {
    return workspaceFiles(this.options.dataDirectory, workspaceId);
  }

  private runningIds(): string[] {
    return runningWorkspaces(workspacesFolder(this.options.dataDirectory), this.options.runnerEntry);
  }

  private async boundLogs(): Promise<void> {
    try {
      // The log of one that sleeps does not grow.
      for (const id of this.runningIds()) await boundLog(this.filesOf(id).logFile);
    } catch (error) {
      this.options.log.warn({ reason: messageOf(error) }, 'a runner’s log could not be shortened');
    }
  }

  private failure(error: unknown, workspaceId: string | undefined, doing: string): BerthError {
    const failure = runtimeFailure(error, doing);
    this.options.log.error(
      { workspaceId, code: failure.code, reason: messageOf(failure.cause ?? error) },
      failure.message,
    );
    return failure;
  }
}

function defaults(
  options: LocalRuntimeOptions,
): Required<
  Pick<
    LocalRuntimeOptions,
    'nodeBinary' | 'temporaryDirectory' | 'stopGraceSeconds' | 'metrics' | 'traceExport' | 'privateHosts'
  >
> {
  return {
    metrics: options.metrics ?? silentMetrics,
    traceExport: options.traceExport ?? null,
    privateHosts: options.privateHosts ?? [],
    nodeBinary: options.nodeBinary ?? process.execPath,
    temporaryDirectory: options.temporaryDirectory ?? tmpdir(),
    stopGraceSeconds: options.stopGraceSeconds ?? 5,
  };
}
