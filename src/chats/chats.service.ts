import { Injectable } from '@nestjs/common';
import type {
  CreateWorkspace,
  MessageView,
  PageQuery,
  TurnState,
  WorkspaceView,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore, type WorkspaceEvent } from '../events/index.js';
import { pageOf, sliceOf, type Page } from '../http/index.js';
import { auditedMember, MembersService, type Actor } from '../identity/index.js';
import { BerthError, currentCause, World } from '../kernel/index.js';
import {
  WorkspaceMachines,
  WorkspacesService,
  type StoppingWorkspace,
  type WorkspaceTerms,
} from '../workspaces/index.js';
import { askedOf } from './asked.store.js';
import { chatsStore, type TurnAtWork } from './chats.store.js';
import { endingByWorkspace, openStates } from './turn.js';
import { TurnMoves } from './turn-moves.service.js';
import { messageView } from './view.js';

/** What people do in a workspace's chat: send, read, cancel. */
@Injectable()
export class ChatsService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesService,
    private readonly machines: WorkspaceMachines,
    private readonly moves: TurnMoves,
    private readonly world: World,
    private readonly audit: Audit,
    members: MembersService,
  ) {
    workspaces.whenStopped((tenant, workspace) => this.settle(tenant, workspace));
    workspaces.whenUnshared((tenant, workspace) => this.cancelOthers(tenant, workspace));
    members.whenLeaving((tenant, { userId }) => this.cancelAllOf(tenant, userId));
  }

  /** A workspace, and its first message in the same stroke: neither is there without the other. */
  createWorkspace(actor: Actor, input: CreateWorkspace, terms: WorkspaceTerms = {}): Promise<WorkspaceView> {
    return this.workspaces.create(actor, input, terms, async (tenant, workspaceId) => {
      if (input.message !== undefined) await this.addTurn(tenant, actor, workspaceId, input.message);
    });
  }

  /** Queues a turn, and wakes a sleeping workspace for it. Throws `not-found`, `workspace-failed`, `workspace-deleting`, `limit-running`. */
  async send(actor: Actor, workspaceId: string, text: string): Promise<MessageView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const workspace = await this.workspaces.reach(tenant, actor, workspaceId, 'converse');
      await this.workspaces.askToRun(tenant, workspace, actor, 'a message came');
      return this.addTurn(tenant, actor, workspaceId, text);
    });
  }

  /** As `send`, for who wrote at another system, in the conversation that the workspace is behind. One that failed is tried again: nobody there could ask for it in another way. */
  async sendThrough(actor: Actor, workspaceId: string, text: string): Promise<MessageView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const workspace = await this.workspaces.reachThrough(tenant, actor, workspaceId);
      await this.workspaces.askToRun(tenant, workspace, actor, 'a message came', true);
      return this.addTurn(tenant, actor, workspaceId, text);
    });
  }

  /** Ends what is under way or waits in a workspace, whoever wrote it: all of it, or which of these messages is said. Answers which. Inside a transaction of the caller. */
  async stopAll(
    tenant: Tenant,
    workspaceId: string,
    which: (ids: string[]) => Promise<string[]> = (ids) => Promise.resolve(ids),
  ): Promise<string[]> {
    if (!(await this.workspaces.lock(tenant, workspaceId))) return [];
    const turns = await chatsStore.openTurnsIn(tenant, workspaceId);
    const meant = new Set(turns.length === 0 ? [] : await which(turns.map(({ id }) => id)));
    const ended = turns.filter(({ id }) => meant.has(id));
    for (const turn of ended) await this.end(tenant, turn);
    return ended.map(({ id }) => id);
  }

  /** The ids of its messages, the first ones first. Inside a transaction of the caller. */
  async messageIds(tenant: Tenant, workspaceId: string): Promise<string[]> {
    const messages = await chatsStore.listMessages(tenant, workspaceId, { after: null, take: 1 });
    return messages.map(({ id }) => id);
  }

  async list(actor: Actor, workspaceId: string, query: PageQuery): Promise<Page<MessageView>> {
    const slice = sliceOf(query);
    return this.database.tenant(actor.organizationId, async (tenant) => {
      // Locked although it only reads: messages and turns are two looks, and an answer must not be missing beside its turn's end.
      await this.workspaces.reach(tenant, actor, workspaceId, 'converse');
      const messages = await chatsStore.listMessages(tenant, workspaceId, slice);
      const turns = await chatsStore.turns(
        tenant,
        messages.map(({ id }) => id),
      );
      const byId = new Map(turns.map((turn) => [turn.id, turn]));
      return pageOf(messages, slice, (message) => messageView(message, byId.get(message.id) ?? null));
    });
  }

  /** Cancels a queued turn at once; asks the runner to interrupt one under way. Throws `not-found`, `not-cancelable`. */
  async cancel(actor: Actor, workspaceId: string, messageId: string): Promise<MessageView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const { ownerId } = await this.workspaces.reach(tenant, actor, workspaceId, 'converse');
      const turn = await chatsStore.findTurn(tenant, workspaceId, messageId);
      if (!turn) throw new BerthError('not-found', 'There is no such message of a person here.');
      const message = await chatsStore.findMessage(tenant, workspaceId, messageId);
      if (![ownerId, message?.authorId].includes(actor.userId))
        throw new BerthError(
          'forbidden',
          'Only who wrote this message, or the owner of the workspace, may cancel it.',
        );
      const { state } = turn;
      if (!(await this.end(tenant, turn)))
        throw new BerthError('not-cancelable', `The message is ${state} already.`);
      this.audit.record(tenant, {
        action: 'message.canceled',
        actor: auditedMember(actor),
        subject: { type: 'message', id: messageId, name: null },
        details: { workspaceId, state },
      });
      return this.view(tenant, workspaceId, messageId);
    });
  }

  /** Events after a number. Reading wakes nothing. */
  events(actor: Actor, workspaceId: string, after: number, limit: number): Promise<WorkspaceEvent[]> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await this.workspaces.see(tenant, actor, workspaceId, 'converse');
      return eventsStore.list(tenant, workspaceId, after, limit);
    });
  }

  /** The agent's answers of these turns, as far as they are there, by the turn. For who says them elsewhere. */
  async answers(tenant: Tenant, workspaceId: string, turnIds: string[]): Promise<Map<string, string>> {
    const rows = turnIds.length === 0 ? [] : await chatsStore.answers(tenant, workspaceId, turnIds);
    return new Map(rows.map(({ turnId, text }) => [turnId ?? '', text]));
  }

  /** What was asked of the agent of a workspace and is not over: the turn under way first, then those that wait. */
  async openTurns(tenant: Tenant, workspaceId: string): Promise<{ id: string; state: TurnState }[]> {
    const turns = await chatsStore.openTurnsIn(tenant, workspaceId);
    return turns.map(({ id, state }) => ({ id, state: state as TurnState }));
  }

  /** What people asked of the agent so far and it began to work on, oldest first, and by whom. Inside a transaction of the caller. */
  asked(tenant: Tenant, workspaceId: string): Promise<{ author: string; text: string }[]> {
    return askedOf(tenant, workspaceId);
  }

  /** Ends the turn under way of a workspace that stops. Queued turns wait for it to run again. */
  private async settle(tenant: Tenant, workspace: StoppingWorkspace): Promise<void> {
    const turn = await chatsStore.currentTurn(tenant, workspace.id);
    if (turn) await this.moves.stop(tenant, turn, endingByWorkspace(workspace.state, workspace.reason));
  }

  /** A person who leaves has nothing under way any more, in whoever's workspace. */
  private async cancelAllOf(tenant: Tenant, userId: string): Promise<void> {
    for (const { id, workspaceId } of await chatsStore.openTurnsOf(tenant, userId)) {
      await this.machines.ofMachine(tenant, workspaceId);
      const turn = await chatsStore.findTurn(tenant, workspaceId, id);
      if (turn) await this.end(tenant, turn);
    }
  }

  private async cancelOthers(tenant: Tenant, workspace: { id: string; ownerId: string }): Promise<void> {
    for (const { id } of await chatsStore.openTurnsOfOthers(tenant, workspace.id, workspace.ownerId)) {
      const turn = await chatsStore.findTurn(tenant, workspace.id, id);
      if (turn) await this.end(tenant, turn);
    }
  }

  /** Cancels a turn that nobody works on (queued, or between two attempts), asks for the end of one under way. False: it has ended already. The caller holds the workspace's lock. */
  private async end(tenant: Tenant, turn: TurnAtWork): Promise<boolean> {
    if (!openStates.includes(turn.state as TurnState)) return false;
    if (turn.runnerId === null) await this.moves.stop(tenant, turn, { state: 'canceled' });
    else await chatsStore.requestCancel(tenant, turn.id, this.world.clock.now());
    await eventsStore.notify(tenant, turn.workspaceId);
    return true;
  }

  private async addTurn(
    tenant: Tenant,
    actor: Actor,
    workspaceId: string,
    text: string,
  ): Promise<MessageView> {
    const at = this.world.clock.now();
    const author = { type: 'user' as const, id: actor.userId, name: actor.name };
    const message = await chatsStore.addMessage(tenant, {
      id: this.world.ids.next(),
      workspaceId,
      author,
      text,
      turnId: null,
      at,
    });
    await chatsStore.addTurn(tenant, message, at, currentCause());
    this.audit.record(tenant, {
      action: 'message.sent',
      actor: auditedMember(actor),
      subject: { type: 'message', id: message.id, name: null },
      details: { workspaceId, seq: message.seq, characters: text.length },
    });
    return this.view(tenant, workspaceId, message.id);
  }

  private async view(tenant: Tenant, workspaceId: string, messageId: string): Promise<MessageView> {
    const message = await chatsStore.findMessage(tenant, workspaceId, messageId);
    if (!message) throw new BerthError('not-found', 'There is no such message here.');
    const [turn] = await chatsStore.turns(tenant, [messageId]);
    return messageView(message, turn ?? null);
  }
}
