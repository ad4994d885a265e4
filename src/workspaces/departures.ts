import { Injectable } from '@nestjs/common';
import type { WorkspaceState } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { MembersService, type Leaving } from '../identity/index.js';
import { World } from '../kernel/index.js';
import { Moves } from './moves.js';
import { Waker } from './waker.js';
import { workspacesStore, type LockedWorkspace, type Move } from './workspaces.store.js';

/** Said of a workspace that stopped because nobody is there any more in whose name it could work. */
export const OWNER_GONE =
  'Its owner is not a member of the organization any more. It stays the organization’s: an admin may delete it.';

/**
 * Stops the workspaces of a member who leaves. They stay, with their files, as the organization's: admins see and delete them, and should the person become a member again they
 * find them. Their credentials are gone with the membership, so none of them could serve there again.
 */
@Injectable()
export class Departures {
  constructor(
    members: MembersService,
    private readonly moves: Moves,
    private readonly waker: Waker,
    private readonly world: World,
  ) {
    members.whenLeaving((tenant, leaving) => this.stopAll(tenant, leaving));
  }

  private async stopAll(tenant: Tenant, leaving: Leaving): Promise<void> {
    for (const id of await workspacesStore.idsOfOwner(tenant, leaving.userId)) {
      const row = await workspacesStore.findLocked(tenant, id);
      if (row) await this.stop(tenant, row, leaving);
    }
    // Whoever reads in a shared one looks again; who left finds that they may not.
    for (const id of await workspacesStore.sharedIds(tenant)) await eventsStore.notify(tenant, id);
  }

  private async stop(tenant: Tenant, row: LockedWorkspace, leaving: Leaving): Promise<void> {
    const at = this.world.clock.now();
    if (row.desiredState !== 'deleted') await workspacesStore.desire(tenant, row.id, 'hibernated', at);
    const state = row.state as WorkspaceState;
    const move = this.moveOf(state, leaving, at);
    if (move) await this.moves.move(tenant, row.id, state, move);
    // Whoever reads its events looks again, also where nothing moved.
    await eventsStore.notify(tenant, row.id);
    this.waker.reconcileSoon(tenant, row.id);
  }

  /** At once, and not when it is ready at last: one that is on its way up has no sleep to go to, so it fails. */
  private moveOf(state: WorkspaceState, { by }: Leaving, at: Date): Move | null {
    if (state === 'provisioning' || state === 'waking') {
      const error = { code: 'owner-gone', message: OWNER_GONE };
      return { to: 'failed', reason: OWNER_GONE, at, ends: { state: 'failed', error } };
    }
    if (state !== 'running') return null;
    const initiator = { type: 'member' as const, id: by.userId, name: by.name };
    const begins = {
      id: this.world.ids.next(),
      kind: 'hibernate' as const,
      reason: 'its owner left',
      initiator,
    };
    return { to: 'hibernating', reason: OWNER_GONE, at, begins };
  }
}
