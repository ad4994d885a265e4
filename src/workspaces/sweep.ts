import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SystemStore } from '../database/index.js';
import { LOG, messageOf, type Log } from '../kernel/index.js';
import { JobHandlers, JobQueue } from '../queue/index.js';
import type { Runtime } from '../runtime/index.js';
import { RUNTIME } from './reconciler.js';
import { WorkspaceSettings } from './settings.js';

const PAGE = 500;

/**
 * Repeats the question "what is due?" for every workspace that is not at rest, and removes files and processes that belong to no workspace. It finds what a lost
 * job, a crash or a bug forgot (rule 3). Sleeping workspaces cost it nothing.
 */
@Injectable()
export class Sweep implements OnModuleDestroy {
  #rhythm: NodeJS.Timeout | null = null;

  constructor(
    private readonly system: SystemStore,
    private readonly queue: JobQueue,
    private readonly settings: WorkspaceSettings,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(LOG) private readonly log: Log,
    handlers: JobHandlers,
  ) {
    handlers.add('sweep', () => this.run());
  }

  /**
   * Begins the rhythm, with a first round at once: at start that is what adopts or restarts the runners. The rhythm is this process's own and not a repeating
   * job of the queue: what makes lost jobs good must not be one of them (rule 3).
   */
  async start(): Promise<void> {
    this.#rhythm ??= setInterval(() => this.ask(), this.settings.sweepSeconds * 1000);
    await this.queue.add('sweep', {});
  }

  onModuleDestroy(): void {
    if (this.#rhythm) clearInterval(this.#rhythm);
    this.#rhythm = null;
  }

  private ask(): void {
    this.queue.add('sweep', {}).catch((error: unknown) => {
      this.log.warn({ reason: messageOf(error) }, 'could not ask for a sweep; asking again later');
    });
  }

  async run(): Promise<void> {
    for (let after: string | null = null; ;) {
      const page = await this.system.workspacesToSweep(after, PAGE);
      for (const { id, organizationId } of page) {
        await this.queue.add('workspace.reconcile', { organizationId, workspaceId: id });
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      after = last.id;
    }
    await this.removeOrphans();
  }

  /** Listed first and looked up afterwards: a workspace made in between is in the rows and not in the list, never the other way round. */
  private async removeOrphans(): Promise<void> {
    const there = await this.runtime.list();
    const known = new Set(await this.system.existingWorkspaces(there));
    for (const id of there.filter((candidate) => !known.has(candidate))) {
      this.log.warn({ workspaceId: id }, 'removing files and processes of a workspace that does not exist');
      // One that cannot be removed does not keep the others.
      await this.runtime.destroy(id).catch((error: unknown) => {
        this.log.warn(
          { workspaceId: id, reason: messageOf(error) },
          'could not remove them; trying again later',
        );
      });
    }
  }
}
