import { Inject, Injectable } from '@nestjs/common';
import { Audit } from '../../audit/index.js';
import type { ConversationView, ExternalSystem, PageQuery } from '../../contracts/index.js';
import { Database, type JsonObject, type Tenant } from '../../database/index.js';
import { pageOf, sliceOf, type Page } from '../../http/index.js';
import { auditedMember, IdentityService, type Actor } from '../../identity/index.js';
import { BerthError, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import type { Closing, ConversationPlace, ConversationState, Meant } from './conversation.js';
import { conversationsStore, type ConversationRow } from './conversations.store.js';

/** Where people and an agent talk at another system. */
@Injectable()
export class Conversations {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly world: World,
    private readonly queue: JobQueue,
    private readonly audit: Audit,
    @Inject(LOG) private readonly log: Log,
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

  /**
   * Their system has left: nothing can be heard or said there, and what was asked there is ended after the commit (`Settling`). Inside a transaction of the caller, who holds the row of the tie to that
   * system: of two who tell it at once one waits for the other.
   */
  async closeAll(tenant: Tenant, system: ExternalSystem, meant: Meant, closing: Closing): Promise<void> {
    const count = await conversationsStore.closeAll(tenant, system, meant, closing, this.world.clock.now());
    if (count > 0) this.settleSoon(tenant);
  }

  /** Their system is back. `reached`: what of their subjects is another now. Inside a transaction of the caller, as `closeAll`. */
  async openAll(
    tenant: Tenant,
    system: ExternalSystem,
    meant: Omit<Meant, 'but'>,
    reached: JsonObject = {},
  ): Promise<void> {
    const count = await conversationsStore.openAll(tenant, system, meant, reached, this.world.clock.now());
    if (count > 0) this.settleSoon(tenant);
  }

  /** Has a worker settle what is not settled of an organization; never throws, since the sweep asks as well. */
  async askToSettle(organizationId: string): Promise<void> {
    await this.queue.add('conversations.settle', { organizationId }).catch((error: unknown) => {
      this.log.warn(
        { reason: messageOf(error) },
        'could not ask for conversations to be settled; they are found later',
      );
    });
  }

  /** After the commit of the caller's transaction. */
  settleSoon(tenant: Tenant): void {
    tenant.afterCommit(() => this.askToSettle(tenant.organizationId));
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
