import { Injectable } from '@nestjs/common';
import { ReceiptsService } from '../chats/index.js';
import {
  upstreamOf,
  type Agent,
  type Lease,
  type ProxyReportItem,
  type Upstream,
} from '../contracts/index.js';
import { CredentialsService, noCredential } from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import type { Machine } from '../identity/index.js';
import { BerthError } from '../kernel/index.js';
import { statesWithRunner, WorkspaceMachines, type LockedWorkspace } from '../workspaces/index.js';
import type { WorkspaceState } from '../contracts/index.js';

/** What a proxy may ask: the credential that serves its workspace now; and what it tells of model calls. */
@Injectable()
export class LeasesService {
  constructor(
    private readonly database: Database,
    private readonly machines: WorkspaceMachines,
    private readonly credentials: CredentialsService,
    private readonly receipts: ReceiptsService,
  ) {}

  /** Throws `forbidden` when the workspace does not run, `no-agent-credential`. */
  async lease(machine: Machine, upstream: Upstream): Promise<Lease> {
    const { organizationId, workspaceId } = machine;
    const workspace = await this.database.tenant(organizationId, (tenant) =>
      this.machines.ofMachine(tenant, workspaceId),
    );
    if (!workspace || !statesWithRunner.includes(workspace.state as WorkspaceState)) {
      throw new BerthError('forbidden', 'The workspace is not running.');
    }
    const agent = workspace.agent as Agent;
    // A workspace's placeholder opens its own agent's provider and no other.
    if (upstreamOf[agent] !== upstream) throw noCredential(upstream === 'anthropic' ? 'claude' : 'codex');
    return this.credentials.lease({ organizationId, userId: workspace.ownerId, agent }, workspaceId);
  }

  async report(machine: Machine, items: ProxyReportItem[]): Promise<void> {
    await this.database.tenant(machine.organizationId, async (tenant) => {
      const workspace = await this.machines.ofMachine(tenant, machine.workspaceId);
      if (!workspace) return;
      for (const item of items) await this.apply(tenant, workspace, item);
    });
  }

  private async apply(tenant: Tenant, workspace: LockedWorkspace, item: ProxyReportItem): Promise<void> {
    const { credentialId, generation } = item;
    // Reports count by the lease that was given: a proxy cannot write a receipt for a credential it never had.
    const by = await this.credentials.servedBy(tenant, workspace.id, credentialId, generation);
    if (!by) return;
    if (item.type === 'served') await this.receipts.served(tenant, workspace, item, by);
    if (item.type === 'usage') await this.receipts.used(tenant, workspace, item);
    if (item.type === 'refused')
      await this.credentials.noteRefusal(tenant, credentialId, generation, item.status, item.errorType);
  }
}
