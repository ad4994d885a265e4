import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/index.js';
import type { ConversationView, ExternalSystem, PageQuery } from '../../contracts/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { pageOf, sliceOf, type Page } from '../../http/index.js';
import { auditedMember, IdentityService, type Actor } from '../../identity/index.js';
import { BerthError, World } from '../../kernel/index.js';
import type { ConversationPlace, ConversationState } from './conversation.js';
import { conversationsStore, type ConversationRow } from './conversations.store.js';

/** Where people and an agent talk at another system. */
@Injectable()
export class Conversations {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  list(actor: Actor, query: PageQuery): Promise<Page<ConversationView>> {
    const slice = sliceOf(query);
    return this.database.tenant(actor.organizationId, async (tenant) =>
      pageOf(await conversationsStore.list(tenant, slice), slice, conversationView),
    );
  }

  /** Has a paused one heard again. Throws `not-found`, `operation-not-possible` for one that is not paused. */
  resume(actor: Actor, id: string): Promise<ConversationView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await this.identity.hold(tenant, actor);
      const found = await conversationsStore.find(tenant, id);
      if (!found) throw new BerthError('not-found', 'There is no such conversation here.');
      if (found.state !== 'paused')
        throw new BerthError('operation-not-possible', 'Only a paused conversation can be resumed.');
      await conversationsStore.move(tenant, id, 'open', null, this.world.clock.now());
      this.audit.record(tenant, {
        action: 'conversation.resumed',
        actor: auditedMember(actor),
        subject: { type: 'conversation', id, name: found.key },
        details: { system: found.system, reason: found.stateReason },
      });
      const now = await conversationsStore.find(tenant, id);
      return conversationView(now ?? found);
    });
  }

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

function conversationView(row: ConversationRow): ConversationView {
  const { id, url, stateReason, workspaceId } = row;
  return {
    ...{ id, url, stateReason, workspaceId },
    system: row.system as ExternalSystem,
    state: row.state as ConversationState,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
