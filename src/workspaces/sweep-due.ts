import { Injectable } from '@nestjs/common';
import { SystemStore } from '../database/index.js';
import { isLost } from './hosts.js';
import { WorkspaceSettings } from './settings.js';

const PAGE = 500;

/** A workspace that somebody has to look at, and the host whose worker that is; null: any worker. */
export interface DueWorkspace {
  organizationId: string;
  workspaceId: string;
  hostId: string | null;
}

/** Files, or processes too, on this host that belong to no workspace. */
export interface Orphan {
  workspaceId: string;
  has: 'files' | 'processes';
}

/** What a sweep found, and what it does: it carries out exactly this. */
export interface Findings {
  due: DueWorkspace[];
  orphans: Orphan[];
}

/** Which workspaces are not at rest, by the rows alone. Sleeping ones cost nothing, however many they are. */
@Injectable()
export class DueWorkspaces {
  constructor(
    private readonly system: SystemStore,
    private readonly settings: WorkspaceSettings,
  ) {}

  /** Those of one host. */
  of(hostId: string): Promise<DueWorkspace[]> {
    return this.#all({ host: hostId }, hostId);
  }

  /** Those that no host looks after: they have none, or a lost one. `ours` is never lost: who asks is alive. */
  async nobodys(ours: string | null): Promise<DueWorkspace[]> {
    const hosts = await this.system.hosts.all();
    const lost = hosts.filter((host) => host.id !== ours && isLost(host, this.settings.hostLostSeconds));
    return this.#all({ lost: lost.map(({ id }) => id) }, null);
  }

  async #all(
    whose: Parameters<SystemStore['workspacesToSweep']>[0],
    hostId: string | null,
  ): Promise<DueWorkspace[]> {
    const due: DueWorkspace[] = [];
    for (let after: string | null = null; ;) {
      const page = await this.system.workspacesToSweep(whose, after, PAGE);
      due.push(...page.map(({ id, organizationId }) => ({ organizationId, workspaceId: id, hostId })));
      const last = page.at(-1);
      if (!last || page.length < PAGE) return due;
      after = last.id;
    }
  }
}
