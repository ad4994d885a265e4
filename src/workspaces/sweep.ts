import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { DueRenewals, EndingLogins, Issuer, KeyRotation, LoginPolling } from '../credentials/index.js';
import { SystemStore } from '../database/index.js';
import { crashPoint, LOG, messageOf, type Log } from '../kernel/index.js';
import { JobHandlers, JobQueue } from '../queue/index.js';
import type { Runtime } from '../runtime/index.js';
import { KnownFolders } from './known-folders.js';
import { RUNTIME } from './runtime-token.js';
import { WorkspaceSettings } from './settings.js';
import { DueWorkspaces, type DueWorkspace, type Findings, type Orphan } from './sweep-due.js';
import { SweepReport } from './sweep-report.js';

/**
 * Repeats the question "what is due?" for every workspace that is not at rest, and removes files and processes that belong to no workspace. It finds what a lost
 * job, a crash or a bug forgot (rule 3). Sleeping workspaces cost it nothing. Each host looks after its own; what no host looks after is asked about once per
 * rhythm, by whichever worker is free. Finding and doing are apart: what it would do can be seen (`findings`), and killed in the middle, the next one finds the rest.
 */
@Injectable()
export class Sweep implements OnModuleDestroy {
  readonly #folders = new KnownFolders();
  readonly #rounds: (() => Promise<void>)[] = [];
  #rhythm: NodeJS.Timeout | null = null;
  #first: Promise<void> = Promise.resolve();

  constructor(
    private readonly system: SystemStore,
    private readonly due: DueWorkspaces,
    private readonly queue: JobQueue,
    private readonly settings: WorkspaceSettings,
    private readonly rotation: KeyRotation,
    private readonly logins: LoginPolling,
    private readonly renewals: DueRenewals,
    private readonly endings: EndingLogins,
    private readonly issuer: Issuer,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(LOG) private readonly log: Log,
    handlers: JobHandlers,
    report: SweepReport,
  ) {
    // A rotation of keys that nobody works at, logins that nobody attends to, tokens that are due, and logins that end soon, too: they belong to no host.
    this.also(() => this.rotation.resume());
    this.also(() => this.logins.askForAll());
    this.also(() => this.renewals.askForAll());
    this.also(() => this.endings.tellAll());
    this.also(async () => this.carryOut({ due: await this.#nobodys(), orphans: [] }));
    this.also(() => this.issuer.keepUp());
    handlers.add('sweep', async () => {
      for (const round of this.#rounds) await this.#notAtTheOthersCost(round);
    });
    handlers.add('host.sweep', () => this.#sweepOwn());
    report.answersFor(runtime.hostId, () => this.findings());
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
    // Done here and now as well: the job of a worker that was killed in the middle of it counts as under way for up to 14 s, and holds up the one that was just added.
    this.#first = this.#sweepOwn().catch((error: unknown) => {
      this.log.warn({ reason: messageOf(error) }, 'the first sweep failed; the next one is asked for');
    });
  }

  /** Adds what a room above has to look for that belongs to no host; done by one worker in each round. */
  also(round: () => Promise<void>): void {
    this.#rounds.push(round);
  }

  async onModuleDestroy(): Promise<void> {
    this.stop();
    await this.#first;
  }

  stop(): void {
    if (this.#rhythm) clearInterval(this.#rhythm);
    this.#rhythm = null;
  }

  /** What a sweep of this host would do now; changes nothing. */
  async findings(): Promise<Findings> {
    const own = await this.#own();
    return { due: [...(await this.#nobodys()), ...own.due], orphans: own.orphans };
  }

  /** A whole round, as this host's two jobs do it. */
  async run(): Promise<void> {
    await this.carryOut(await this.findings());
    this.#folders.next();
  }

  async carryOut({ due, orphans }: Findings): Promise<void> {
    this.log.debug({ due: due.length, orphans: orphans.length }, 'sweeping');
    for (const { organizationId, workspaceId, hostId } of due)
      await this.queue.add('workspace.reconcile', { organizationId, workspaceId }, { host: hostId });
    for (const orphan of orphans) await this.#remove(orphan);
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

  async #notAtTheOthersCost(round: () => Promise<void>): Promise<void> {
    try {
      await round();
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'a part of the sweep failed; the next one does it again');
    }
  }

  async #sweepOwn(): Promise<void> {
    await this.carryOut(await this.#own());
    // Only now: what was not carried out is found again, and what the dry run shows is what the next sweep does.
    this.#folders.next();
  }

  /** Workspaces without a host, and those of lost ones. */
  #nobodys(): Promise<DueWorkspace[]> {
    return this.due.nobodys(this.runtime.hostId);
  }

  /**
   * Listed first and looked up afterwards: a workspace made in between is in the rows and not in the list, never the other way round. One of another host is no orphan,
   * whatever its files do here.
   */
  async #own(): Promise<Findings> {
    const hostId = this.runtime.hostId;
    const running = new Set(await this.runtime.running());
    this.#folders.see(await this.runtime.listed());
    const asked = [...new Set([...running, ...this.#folders.toAsk()])];
    const due = await this.due.of(hostId);
    const rows = new Map((await this.system.existingWorkspaces(asked)).map((row) => [row.id, row]));
    this.#folders.found(rows.keys());
    const known = new Set(due.map(({ workspaceId }) => workspaceId));
    // Whoever sleeps by the rows, and lives all the same.
    const restless = [...rows.values()].filter(
      (row) => running.has(row.id) && row.hostId === hostId && !known.has(row.id),
    );
    return {
      due: [
        ...due,
        ...restless.map(({ id, organizationId }) => ({ organizationId, workspaceId: id, hostId })),
      ],
      orphans: asked
        .filter((id) => !rows.has(id))
        .map((id) => ({ workspaceId: id, has: running.has(id) ? 'processes' : 'files' })),
    };
  }

  async #remove({ workspaceId, has }: Orphan): Promise<void> {
    this.log.warn({ workspaceId, has }, 'removing files and processes of a workspace that does not exist');
    try {
      await this.runtime.destroy(workspaceId);
      crashPoint('sweep.orphan-removed');
    } catch (error) {
      // One that cannot be removed does not keep the others.
      this.log.warn({ workspaceId, reason: messageOf(error) }, 'could not remove them; trying again later');
    }
  }
}
