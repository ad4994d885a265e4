import { Inject, Injectable } from '@nestjs/common';
import { Database, SystemStore, type SeenHost } from '../database/index.js';
import { crashPoint } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import type { Runtime } from '../runtime/index.js';
import { queueHost, whose, type Whose } from './hosts.js';
import { RUNTIME } from './runtime-token.js';
import { WorkspaceSettings } from './settings.js';
import { workspacesStore, type LockedWorkspace } from './workspaces.store.js';

interface Ref {
  organizationId: string;
  workspaceId: string;
}

/** Where workspaces are, as this worker's host sees it. */
@Injectable()
export class Placement {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly queue: JobQueue,
    private readonly settings: WorkspaceSettings,
    @Inject(RUNTIME) private readonly runtime: Runtime,
  ) {}

  async of(row: LockedWorkspace): Promise<{ whose: Whose; host: SeenHost | null }> {
    // Spares the look for what is by far the most of it.
    if (row.hostId === this.runtime.hostId) return { whose: 'ours', host: null };
    const host = row.hostId === null ? null : await this.system.hosts.ofWorkspace(row.id);
    return { whose: whose(host, this.runtime.hostId, this.settings.hostLostSeconds), host };
  }

  /**
   * Takes a workspace that has no host. Many workers may try at once, and one wins; the others find it placed when they look again. One whose files are somewhere already,
   * from before there were hosts, is not taken by whoever comes first: the host that has them adopts it when it starts. False when it was left alone.
   */
  async take({ organizationId, workspaceId }: Ref, row: LockedWorkspace): Promise<boolean> {
    if (row.preparedAt !== null) return false;
    await this.database.tenant(organizationId, (tenant) =>
      workspacesStore.place(tenant, workspaceId, this.runtime.hostId),
    );
    crashPoint('place.committed');
    return true;
  }

  /** Hands a job on to the host that can do it. */
  async handOver(ref: Ref, host: SeenHost | null): Promise<void> {
    await this.queue.add('workspace.reconcile', ref, {
      host: queueHost(host, this.settings.hostLostSeconds),
    });
  }
}
