import { Injectable } from '@nestjs/common';
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
}
