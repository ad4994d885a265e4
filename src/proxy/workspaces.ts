import { checkedUrl, contextOf, type ContextOptions } from './context.js';
import { ControlPlane } from './control-plane.js';
import { Placeholder } from './placeholder.js';
import { Workspace, type OpenCommand, type ProxyContext } from './workspace.js';
import { WorkspaceServer } from './workspace-server.js';

export interface ProxyOptions extends ContextOptions {
  /** The control plane, for leases and reports. */
  internalUrl: string;
}

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
    this.#context = contextOf(options, ({ pools, limits }) => {
      const target = pools.target(checkedUrl(options.internalUrl));
      return new ControlPlane(target, limits.controlPlaneTimeoutSeconds);
    });
  }

  /**
   * Opens a workspace's socket. For one that is open with the same socket and placeholder, token and repository are replaced and streams under
   * way go on; else the old socket is closed first. Rejects with a sentence for people.
   */
  open(command: OpenCommand): Promise<void> {
    return this.#inTurn(command.workspaceId, async () => {
      if (command.git) checkedUrl(command.git.upstreamUrl);
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
