import { Inject, Injectable } from '@nestjs/common';
import { SystemStore, type Tenant } from '../database/index.js';
import { crashPoint, LOG, messageOf, type Log } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { queueHost } from './hosts.js';
import { WorkspaceSettings } from './settings.js';

/** Wakes a worker for a workspace: that of its host, or any while it has none. */
@Injectable()
export class Waker {
  constructor(
    private readonly queue: JobQueue,
    private readonly system: SystemStore,
    private readonly settings: WorkspaceSettings,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /**
   * Has a worker look at the workspace, once the transaction is committed. It never fails: what was asked for is written, and a caller who hears of an error would ask
   * for it twice. What is lost here is found by the sweep.
   */
  reconcileSoon(tenant: Tenant, workspaceId: string): void {
    const { organizationId } = tenant;
    tenant.afterCommit(async () => {
      crashPoint('wake.committed');
      try {
        const seen = await this.system.hosts.ofWorkspace(workspaceId);
        const host = queueHost(seen, this.settings.hostLostSeconds);
        await this.queue.add('workspace.reconcile', { organizationId, workspaceId }, { host });
        crashPoint('wake.enqueued');
      } catch (error) {
        this.log.warn(
          { workspaceId, reason: messageOf(error) },
          'no worker could be woken; the sweep will find it',
        );
      }
    });
  }
}
