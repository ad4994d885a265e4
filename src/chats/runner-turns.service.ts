import { Injectable } from '@nestjs/common';
import {
  agentNames,
  type Agent,
  type ClaimedTurn,
  type CommandsAnswer,
  type ReportAnswer,
  type RepositorySource,
  type RunnerItem,
} from '../contracts/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore, type NewEvent } from '../events/index.js';
import { ExternalAccounts, IdentityService, type Machine } from '../identity/index.js';
import { crashPoint, World } from '../kernel/index.js';
import { WorkspaceMachines, type LockedWorkspace } from '../workspaces/index.js';
import { leftUnanswered, modeOf } from './attempts.js';
import { chatsStore, type TurnAtWork } from './chats.store.js';
import { commitAuthorOf, type CommitAuthor } from './commit-author.js';
import { endingOf, type TurnError } from './turn.js';
import { TurnMoves } from './turn-moves.service.js';

/** How soon a runner sends a report again that waits for the proxy's receipt. */
const RECEIPT_RETRY_SECONDS = 0.25;

type TurnItem = Extract<RunnerItem, { turnId: string }>;

/** Until when a turn of this person must not begin in the workspace; null: it may. The rooms above know what has to be over before. */
export type Fence = (tenant: Tenant, workspaceId: string, authorId: string) => Promise<Date | null>;

/** What a runner published: a branch's new head. */
export interface Pushed {
  branch: string;
  commit: string;
}

/** What the rooms above do about work that was published; in the transaction in which it is told, with the workspace locked. */
export type PushHook = (tenant: Tenant, workspace: LockedWorkspace, pushed: Pushed) => Promise<void>;

/** There is a turn, and it may begin then. */
export interface Wait {
  notBefore: Date;
}

/** What a runner does with turns: claims one, and reports what became of it. Whose runner it is was proven by the gateway. */
@Injectable()
export class RunnerTurnsService {
  readonly #pushHooks: PushHook[] = [];

  constructor(
    private readonly database: Database,
    private readonly machines: WorkspaceMachines,
    private readonly identity: IdentityService,
    private readonly accounts: ExternalAccounts,
    private readonly moves: TurnMoves,
    private readonly world: World,
  ) {}

  whenPushed(hook: PushHook): void {
    this.#pushHooks.push(hook);
  }

  /**
   * The next turn: first one under way that another runner left (its end is unknown, so it is continued and not asked again, rule 8) or that has its next attempt after a refused login, else the
   * oldest queued. Null: nothing to do. A turn that the fence holds back stays in the queue.
   */
  async claim(machine: Machine, runnerId: string, fence: Fence): Promise<ClaimedTurn | Wait | null> {
    return this.database.tenant(machine.organizationId, async (tenant) => {
      const workspace = await this.machines.ofRunner(tenant, machine, runnerId);
      if (workspace.state !== 'running') return null;
      const left = await this.leftTurn(tenant, workspace);
      // A runner asks only when it works on nothing. If it holds a turn, the answer to its claim was lost on the way: it gets the same attempt again.
      if (left?.runnerId === runnerId) return this.claimed(tenant, workspace, left);
      // Nothing new is begun in a workspace that was asked to sleep while it started.
      if (workspace.desiredState !== 'running') return null;
      const turn = left ?? (await chatsStore.nextQueuedTurn(tenant, workspace.id));
      if (!turn) return null;
      const now = this.world.clock.now();
      const notBefore = left ? left.retryAt : await this.heldBack(tenant, turn, fence);
      if (notBefore && (!left || notBefore > now)) return { notBefore };
      const claim = { attemptId: this.world.ids.next(), runnerId, attempts: turn.attempts + 1 };
      // Between two attempts the last one's end is known. Any other was left by a runner that is gone.
      const unknown = left !== null && left.retryAt === null;
      if (left) await chatsStore.claimAgain(tenant, left, claim, unknown, now);
      else await chatsStore.move(tenant, turn, 'running', now, claim);
      await this.machines.touch(tenant, workspace);
      tenant.afterCommit(() => {
        crashPoint('turn.claimed');
        return Promise.resolve();
      });
      return this.claimed(tenant, workspace, {
        ...turn,
        ...claim,
        toolsBegan: turn.toolsBegan || unknown,
      });
    });
  }

  private async heldBack(
    tenant: Tenant,
    turn: { id: string; workspaceId: string },
    fence: Fence,
  ): Promise<Date | null> {
    const message = await chatsStore.findMessage(tenant, turn.workspaceId, turn.id);
    return message?.authorId ? fence(tenant, turn.workspaceId, message.authorId) : null;
  }

  /** The turn under way. One that a person canceled and whose runner is gone is ended here: nobody is left to interrupt. */
  private async leftTurn(tenant: Tenant, workspace: LockedWorkspace): Promise<TurnAtWork | null> {
    const turn = await chatsStore.currentTurn(tenant, workspace.id);
    if (!turn?.cancelRequestedAt || turn.runnerId === workspace.runnerId) return turn;
    await this.moves.stop(tenant, turn, { state: 'canceled' });
    return null;
  }

  private async claimed(tenant: Tenant, workspace: LockedWorkspace, turn: TurnAtWork): Promise<ClaimedTurn> {
    const message = await chatsStore.findMessage(tenant, workspace.id, turn.id);
    return {
      turnId: turn.id,
      attemptId: turn.attemptId ?? '',
      attempt: turn.attempts,
      mode: await this.modeOf(tenant, workspace, turn),
      text: message?.text ?? '',
      author: await this.authorOf(tenant, workspace, message),
      session: workspace.agentSession,
      point: workspace.agentPoint,
      cause: { requestId: turn.requestId, traceParent: turn.traceParent },
    };
  }

  private async modeOf(
    tenant: Tenant,
    { id, agentPoint }: LockedWorkspace,
    { seq, toolsBegan, refusedAttempts }: TurnAtWork,
  ): Promise<ClaimedTurn['mode']> {
    const before = await chatsStore.turnBefore(tenant, id, seq);
    const error = before?.error as TurnError | null | undefined;
    const left = before && {
      errorCode: error?.code ?? null,
      toolsBegan: before.toolsBegan,
      betweenAttempts: before.retryAt !== null,
    };
    return modeOf({
      toolsBegan,
      refusedAttempts,
      afterUnanswered: left !== null && leftUnanswered(left),
      point: agentPoint,
      hasHistory: await chatsStore.answeredBefore(tenant, id, seq),
    });
  }

  /** What this runner shall do besides its turn: interrupt turns (but those it knows of), or end because its workspace goes to sleep; null: nothing. */
  async commands(machine: Machine, runnerId: string, known: string[]): Promise<CommandsAnswer | null> {
    return this.database.tenant(machine.organizationId, async (tenant) => {
      if (await this.machines.isStopping(tenant, machine, runnerId)) return { cancel: [], stop: true };
      const workspace = await this.machines.ofRunner(tenant, machine, runnerId);
      await this.machines.heard(tenant, workspace, runnerId);
      const turns = await chatsStore.turnsToCancel(tenant, workspace.id);
      const cancel = turns.map(({ id }) => id).filter((id) => !known.includes(id));
      return cancel.length > 0 ? { cancel, stop: false } : null;
    });
  }

  /**
   * Stores a runner's numbered items, all or none, each once: what is not above the stored number was delivered before. Stops before a `turn.finished` that
   * waits for its receipt.
   */
  async report(machine: Machine, runnerId: string, items: RunnerItem[]): Promise<ReportAnswer> {
    return this.database.tenant(machine.organizationId, async (tenant) => {
      let workspace = await this.machines.ofRunner(tenant, machine, runnerId);
      const { state } = workspace;
      let acknowledged = await chatsStore.acknowledged(tenant, workspace.id, runnerId);
      let waits = false;
      for (const item of items) {
        if (item.n <= acknowledged) continue;
        // A gap means that an earlier batch is still on its way; the runner sends it again.
        if (item.n !== acknowledged + 1) break;
        waits = !(await this.apply(tenant, workspace, item));
        if (waits) break;
        acknowledged = item.n;
        // It moved: what follows in the batch must not go by the state it had before.
        if (!('turnId' in item))
          workspace = (await this.machines.ofMachine(tenant, workspace.id)) ?? workspace;
      }
      await chatsStore.acknowledge(tenant, workspace.id, runnerId, acknowledged);
      await this.machines.runnerSeen(tenant, workspace, runnerId);
      if (workspace.state !== state && (workspace.state === 'failed' || workspace.desiredState !== 'running'))
        this.machines.reconcileSoon(tenant, workspace);
      tenant.afterCommit(() => {
        crashPoint('report.stored');
        return Promise.resolve();
      });
      return { acknowledged, retryAfterSeconds: waits ? RECEIPT_RETRY_SECONDS : 0 };
    });
  }

  /** False: not yet. */
  private async apply(tenant: Tenant, workspace: LockedWorkspace, item: RunnerItem): Promise<boolean> {
    if (item.type === 'workspace.prepared') {
      await this.machines.prepared(tenant, workspace);
      return true;
    }
    if (item.type === 'workspace.failed') {
      await this.machines.failed(tenant, workspace, { code: item.code, message: item.message });
      return true;
    }
    return this.applyToTurn(tenant, workspace, item);
  }

  private async applyToTurn(tenant: Tenant, workspace: LockedWorkspace, item: TurnItem): Promise<boolean> {
    const turn = await chatsStore.findTurn(tenant, workspace.id, item.turnId);
    // Late words about an attempt that is over (canceled, taken over by another runner) are dropped; what was published is a fact all the same.
    const isGit = item.type === 'git.pushed' || item.type === 'git.failed';
    if (turn?.attemptId !== item.attemptId || !(isAtWork(turn) || isGit)) return true;
    switch (item.type) {
      case 'agent.session':
        await this.machines.rememberSession(tenant, workspace, item.session);
        return true;
      case 'agent.answer':
        await this.storeAnswer(tenant, workspace, turn.id, item.text);
        return true;
      case 'turn.finished':
        return this.finish(tenant, workspace, turn, item);
      default:
        if (item.type === 'agent.tool') await chatsStore.toolBegan(tenant, turn.id);
        await this.machines.touch(tenant, workspace);
        await eventsStore.append(tenant, workspace.id, [this.eventOf(item, turn.attempts)]);
        if (item.type === 'git.pushed') await this.pushed(tenant, workspace, item);
        return true;
    }
  }

  private async pushed(
    tenant: Tenant,
    workspace: LockedWorkspace,
    { branch, commit }: Pushed,
  ): Promise<void> {
    await this.machines.pushed(tenant, workspace, branch);
    for (const hook of this.#pushHooks) await hook(tenant, workspace, { branch, commit });
  }

  private async finish(
    tenant: Tenant,
    workspace: LockedWorkspace,
    turn: NonNullable<Awaited<ReturnType<typeof chatsStore.findTurn>>>,
    item: Extract<TurnItem, { type: 'turn.finished' }>,
  ): Promise<boolean> {
    const ending = endingOf(item.outcome, {
      receipts: turn._count.receipts,
      ageSeconds: item.ageSeconds,
      cancelRequested: turn.cancelRequestedAt !== null,
      refusedAttempts: turn.refusedAttempts,
      halt: turn.halt as TurnError | null,
      agent: agentNames[workspace.agent as Agent],
    });
    if (ending.state === 'wait') return false;
    if (ending.state === 'retry') await this.moves.retryLater(tenant, workspace, turn);
    else if (ending.state === 'completed') await this.moves.complete(tenant, workspace, turn, item.point);
    else await this.moves.stop(tenant, turn, ending, item.point);
    await this.machines.touch(tenant, workspace);
    return true;
  }

  private async storeAnswer(
    tenant: Tenant,
    workspace: LockedWorkspace,
    turnId: string,
    text: string,
  ): Promise<void> {
    // A runner that was replaced may have stored its answer before it went; the continued turn then ends with what is there.
    if (text === '' || (await chatsStore.answerOf(tenant, workspace.id, turnId))) return;
    const at = this.world.clock.now();
    const author = { type: 'agent' as const, id: null, name: agentNames[workspace.agent as Agent] };
    const message = await chatsStore.addMessage(tenant, {
      id: this.world.ids.next(),
      workspaceId: workspace.id,
      author,
      text,
      turnId,
      at,
    });
    const data = {
      messageId: message.id,
      seq: message.seq,
      state: 'completed',
      attempts: 0,
      inReplyTo: turnId,
    };
    await eventsStore.append(tenant, workspace.id, [{ type: 'message.state', at, data }]);
  }

  private eventOf(
    item: Exclude<TurnItem, { type: 'agent.session' | 'agent.answer' | 'turn.finished' }>,
    attempt: number,
  ): NewEvent {
    const { n: _n, type, turnId, attemptId: _attemptId, ...data } = item;
    // By the attempt a reader knows the text of one that was given up.
    return { type, at: this.world.clock.now(), data: { messageId: turnId, attempt, ...data } };
  }

  /** The asking member as they are called now; one who left is called as they were. */
  private async authorOf(
    tenant: Tenant,
    { source }: LockedWorkspace,
    message: { authorId: string | null; authorName: string } | null,
  ): Promise<CommitAuthor> {
    const userId = message?.authorId;
    const member = userId ? await this.identity.memberInside(tenant, userId) : null;
    if (!userId || !member) return { name: message?.authorName ?? 'Berth', email: 'berth@localhost' };
    const account = await this.accounts.accountOf(tenant, userId, 'github');
    return commitAuthorOf({ name: member.name, email: member.email }, account, source as RepositorySource);
  }
}

/** Its attempt is under way, and not between two. */
function isAtWork({ state, runnerId }: Pick<TurnAtWork, 'state' | 'runnerId'>): boolean {
  return (state === 'running' || state === 'reauthenticating') && runnerId !== null;
}
