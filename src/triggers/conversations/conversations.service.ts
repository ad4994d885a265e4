import { Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import { World } from '../../kernel/index.js';
import type { ConversationPlace } from './conversation.js';
import { conversationsStore } from './conversations.store.js';

/** Where people and an agent talk at another system. */
@Injectable()
export class Conversations {
  constructor(private readonly world: World) {}

  /**
   * A further conversation of a workspace: that of the pull request it opened. What is asked there continues the workspace, and what the workspace told before `eventCursor` is not told there. Inside a
   * transaction that may hold the workspace's row.
   */
  async open(
    tenant: Tenant,
    place: ConversationPlace,
    { workspaceId, eventCursor }: { workspaceId: string; eventCursor: number },
  ): Promise<{ id: string }> {
    const { id } = await conversationsStore.open(tenant, place, {
      id: this.world.ids.next(),
      at: this.world.clock.now(),
      workspaceId,
      eventCursor,
    });
    return { id };
  }

  /** Its system has left: nothing can be heard or said there. Inside a transaction of the caller. */
  closeAll(tenant: Tenant, system: ExternalSystem, reason: string): Promise<void> {
    return conversationsStore.moveAll(
      tenant,
      system,
      { from: ['open', 'paused'], to: 'closed' },
      reason,
      this.world.clock.now(),
    );
  }

  /** Its system is back. Inside a transaction of the caller. */
  openAll(tenant: Tenant, system: ExternalSystem): Promise<void> {
    return conversationsStore.moveAll(
      tenant,
      system,
      { from: ['closed'], to: 'open' },
      null,
      this.world.clock.now(),
    );
  }

  /** The names of those whose subject has this value, which its integration put there. */
  keysAbout(tenant: Tenant, system: ExternalSystem, field: string, value: string): Promise<string[]> {
    return conversationsStore.keysAbout(tenant, system, field, value);
  }
}
