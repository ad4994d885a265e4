import { Injectable } from '@nestjs/common';
import type { SweepView } from '../contracts/index.js';
import { SystemStore } from '../database/index.js';
import { DueWorkspaces, type Findings } from './sweep-due.js';

/** More would not be read. The totals are whole. */
const SHOWN = 1_000;

/** What a sweep would do at this moment, for people. A process that works answers for its host, files and processes too; one that serves the API alone knows the rows. */
@Injectable()
export class SweepReport {
  #ownHost: { hostId: string; look: () => Promise<Findings> } | null = null;

  constructor(
    private readonly due: DueWorkspaces,
    private readonly system: SystemStore,
  ) {}

  /** Called by the sweep of this process, when there is one. */
  answersFor(hostId: string, look: () => Promise<Findings>): void {
    this.#ownHost = { hostId, look };
  }

  async report(): Promise<SweepView> {
    const findings = this.#ownHost
      ? await this.#ownHost.look()
      : { due: await this.#allDue(), orphans: null };
    const { due, orphans } = findings;
    return {
      hostId: this.#ownHost?.hostId ?? null,
      due: { total: due.length, items: due.slice(0, SHOWN) },
      orphans: orphans && { total: orphans.length, items: orphans.slice(0, SHOWN) },
    };
  }

  async #allDue(): Promise<Findings['due']> {
    const hosts = await this.system.hosts.all();
    const due = new Map((await this.due.nobodys(null)).map((one) => [one.workspaceId, one]));
    for (const { id } of hosts)
      for (const one of await this.due.of(id)) if (!due.has(one.workspaceId)) due.set(one.workspaceId, one);
    return [...due.values()];
  }
}
