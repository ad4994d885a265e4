import { Injectable } from '@nestjs/common';
import type { WorkspaceState } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { workspacesStore, type Move } from './workspaces.store.js';

/** A workspace that stops: which, where to, and the reason people are told. */
export interface StoppingWorkspace {
  id: string;
  state: 'hibernating' | 'failed';
  reason: string | null;
}

/** Ends what a workspace that stops cannot go on with. Runs inside the transaction of the move: both are written or neither is. */
export type StopHook = (tenant: Tenant, workspace: StoppingWorkspace) => Promise<void>;

/**
 * Moves workspaces, and lets the rooms above end their part when one stops. Inside one transaction and not by a job: a lost job would leave a turn "running" in a
 * workspace at rest, which no sweep looks at any more (rule 3).
 */
@Injectable()
export class Moves {
  readonly #hooks: StopHook[] = [];

  /** Adds what has to happen whenever a workspace begins to hibernate or fails. */
  whenStopped(hook: StopHook): void {
    this.#hooks.push(hook);
  }

  /** As `workspacesStore.move`, with the hooks. The caller holds the row's lock (`findLocked`). */
  async move(tenant: Tenant, id: string, from: WorkspaceState, move: Move): Promise<boolean> {
    const moved = await workspacesStore.move(tenant, id, from, move);
    const { to, reason } = move;
    if (moved && (to === 'hibernating' || to === 'failed')) {
      for (const hook of this.#hooks) await hook(tenant, { id, state: to, reason });
    }
    return moved;
  }
}
