import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SystemStore } from '../database/index.js';
import { LOG, messageOf, type Log } from '../kernel/index.js';
import { JobHandlers, JobQueue } from '../queue/index.js';
import type { Runtime } from '../runtime/index.js';
import { isLost } from './hosts.js';
import { RUNTIME } from './runtime-token.js';
import { WorkspaceSettings } from './settings.js';

const PAGE = 500;

/**
 * Repeats the question "what is due?" for every workspace that is not at rest, and removes files and processes that belong to no workspace. It finds what a lost
 * job, a crash or a bug forgot (rule 3). Sleeping workspaces cost it nothing. Each host looks after its own; what no host looks after is asked about once per
 * rhythm, by whichever worker is free.
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
    handlers.add('sweep', () => this.lookAfterNobodys());
    handlers.add('host.sweep', () => this.lookAfterOwn());
  }

  /**
   * Begins the rhythm, with a first round at once: at start that is what adopts or restarts the runners. The rhythm is this process's own and not a repeating
   * job of the queue: what makes lost jobs good must not be one of them (rule 3).
   */
  async start(): Promise<void> {
    // Files from before there were hosts: who has them has the workspace.
    const adopted = await this.system.hosts.adopt(this.runtime.hostId, await this.runtime.list());
    if (adopted > 0) this.log.info({ adopted }, 'workspaces whose files are here were given to this host');
    this.#rhythm ??= setInterval(() => this.askAgain(), this.settings.sweepSeconds * 1000);
    await this.ask();
  }

  onModuleDestroy(): void {
    this.stop();
  }

  stop(): void {
    if (this.#rhythm) clearInterval(this.#rhythm);
    this.#rhythm = null;
  }

  /** A whole round, as this host's two jobs do it. */
  async run(): Promise<void> {
    await this.lookAfterNobodys();
    await this.lookAfterOwn();
  }

  private async ask(): Promise<void> {
    await this.queue.add('host.sweep', {}, { host: this.runtime.hostId });
    // Every worker asks, and one round is enough for all of them. A little less than the rhythm, so that a timer that is early does not skip a round.
    await this.queue.add('sweep', {}, { onceInSeconds: this.settings.sweepSeconds * 0.9 });
  }

  private askAgain(): void {
    this.ask().catch((error: unknown) => {
      this.log.warn({ reason: messageOf(error) }, 'could not ask for a sweep; asking again later');
    });
  }

  /** Workspaces without a host, and those of lost ones. */
  private async lookAfterNobodys(): Promise<void> {
    const hosts = await this.system.hosts.all();
    const lost = hosts.filter(
      (host) => host.id !== this.runtime.hostId && isLost(host, this.settings.hostLostSeconds),
    );
    await this.reconcileAll({ lost: lost.map(({ id }) => id) }, null);
  }

  private async lookAfterOwn(): Promise<void> {
    const host = this.runtime.hostId;
    await this.reconcileAll({ host }, host);
    await this.removeOrphans();
  }

  private async reconcileAll(
    whose: Parameters<SystemStore['workspacesToSweep']>[0],
    host: string | null,
  ): Promise<void> {
    for (let after: string | null = null; ;) {
      const page = await this.system.workspacesToSweep(whose, after, PAGE);
      for (const { id, organizationId } of page) {
        await this.queue.add('workspace.reconcile', { organizationId, workspaceId: id }, { host });
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      after = last.id;
    }
  }

  /**
   * Listed first and looked up afterwards: a workspace made in between is in the rows and not in the list, never the other way round. One of another host is no orphan,
   * whatever its files do here.
   */
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
