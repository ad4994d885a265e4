import { Injectable } from '@nestjs/common';
import { blockedSentence, type Kind, type ProxyReportItem, type Scope } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import {
  agentSpanId,
  formatTraceParent,
  parseTraceParent,
  World,
  type BerthError,
  type Cause,
} from '../kernel/index.js';
import { WorkspaceMachines, type LockedWorkspace } from '../workspaces/index.js';
import { servedFor } from './asker.js';
import { askersIn, type TurnCause } from './askers.store.js';
import { chatsStore } from './chats.store.js';
import { TurnMoves } from './turn-moves.service.js';

/** What is known of a credential that served: whose it is, its kind, and why resolution chose it. */
export interface ServedBy {
  scope: Scope;
  kind: Kind;
  reason: string;
  /** The member whose own it is; null for the organization's. */
  userId: string | null;
}

/** For whom a workspace works. */
export interface ServedFor {
  /** Null: for nobody at the moment. */
  userId: string | null;
  /** Whose doing its model calls are: the turn under way, and the span of its agent. Null when no turn is under way. */
  cause: Cause | null;
}

/** Where nobody asked for anything yet. */
const NOBODY = { underWay: false, current: null, next: null, turn: null };

interface Login {
  credentialId: string;
  generation: number;
}

/** What the proxy tells about model calls, as the chat keeps it: receipts of turns, refused logins, and tokens used. Each works inside a transaction of the caller. */
@Injectable()
export class ReceiptsService {
  constructor(
    private readonly machines: WorkspaceMachines,
    private readonly moves: TurnMoves,
    private readonly world: World,
  ) {}

  /** The model answered with this credential: the receipt of the turn under way, and what the workspace shows. */
  async served(
    tenant: Tenant,
    workspace: LockedWorkspace,
    { credentialId, generation }: Login,
    { userId, scope, kind, reason }: ServedBy,
  ): Promise<void> {
    const turn = await this.turnOf(tenant, workspace, userId);
    if (turn) {
      const at = this.world.clock.now();
      const receipt = { credentialId, generation, scope, kind, reason, at };
      await chatsStore.addReceipt(tenant, turn.id, receipt);
      if (turn.halt) await chatsStore.setHalt(tenant, turn.id, null);
      await this.moves.served(tenant, workspace, turn, nameOf({ credentialId, generation }));
    }
    await this.machines.rememberCredential(tenant, workspace, {
      id: credentialId,
      scope,
      kind,
    });
  }

  /**
   * The provider refused this credential: the turn under way is reauthenticating until the model answers. A word that comes late, after a later generation has served, changes nothing.
   */
  async refused(
    tenant: Tenant,
    workspace: LockedWorkspace,
    { credentialId, generation }: Login,
    { userId }: Pick<ServedBy, 'userId'>,
  ): Promise<void> {
    const login = { credentialId, generation };
    const turn = await this.turnOf(tenant, workspace, userId);
    if (!turn || (await chatsStore.servedLater(tenant, workspace.id, login))) return;
    await this.moves.refused(tenant, workspace, turn, nameOf(login));
  }

  /** The turn under way, if this member's own credential (null: the organization's) can have to do with it. */
  private async turnOf(tenant: Tenant, workspace: LockedWorkspace, userId: string | null) {
    const turn = await chatsStore.currentTurn(tenant, workspace.id);
    const current = (await askersIn(tenant, [workspace.id])).get(workspace.id)?.current;
    // One person's own credential never serves another's turn: what is told late belongs to the turn before.
    return turn && (userId === null || userId === current) ? turn : null;
  }

  /** For whom each of these workspaces may be given credentials now, and why its agent calls. */
  async servedFor(
    tenant: Tenant,
    workspaces: Pick<LockedWorkspace, 'id' | 'ownerId' | 'state'>[],
  ): Promise<Map<string, ServedFor>> {
    const ids = workspaces.map(({ id }) => id);
    const found = await askersIn(tenant, ids);
    return new Map(
      workspaces.map(({ id, ownerId, state }) => {
        const { turn, ...askers } = found.get(id) ?? NOBODY;
        // The tree is prepared before the next turn can begin, and may need a credential for that.
        const isPreparing = state !== 'running';
        const userId = servedFor(isPreparing ? { ...askers, next: null } : askers, ownerId);
        return [id, { userId, cause: turn && causeOf(turn) }];
      }),
    );
  }

  /** For whom the workspace works, as far as it is known, and in which turn. */
  async workedFor(
    tenant: Tenant,
    { id, ownerId }: Pick<LockedWorkspace, 'id' | 'ownerId'>,
  ): Promise<{ turnId: string | null; userId: string }> {
    const turn = await chatsStore.currentTurn(tenant, id);
    const current = (await askersIn(tenant, [id])).get(id)?.current;
    return { turnId: turn?.id ?? null, userId: current ?? ownerId };
  }

  /** The turn under way gets no credential any more: should it fail now, this is why. */
  async halted(tenant: Tenant, workspaceId: string, { code, message }: BerthError): Promise<void> {
    const turn = await chatsStore.currentTurn(tenant, workspaceId);
    if (turn && !turn.halt) await chatsStore.setHalt(tenant, turn.id, { code, message });
  }

  /** Tokens of one answer, once per report id. */
  async used(
    tenant: Tenant,
    workspace: LockedWorkspace,
    item: Extract<ProxyReportItem, { type: 'usage' }>,
  ): Promise<void> {
    const { id, type: _type, cacheHourTokens: _hour, atMost: _atMost, ...usage } = item;
    await this.tell(tenant, workspace, 'agent.usage', id, usage);
  }

  /** The agent was not let through to a host, once per report id. */
  async blocked(
    tenant: Tenant,
    workspace: LockedWorkspace,
    item: Extract<ProxyReportItem, { type: 'blocked' }>,
  ): Promise<void> {
    const { id, type: _type, ...blocked } = item;
    await this.tell(tenant, workspace, 'egress.blocked', id, {
      ...blocked,
      message: blockedSentence(blocked),
    });
  }

  private async tell(
    tenant: Tenant,
    workspace: LockedWorkspace,
    type: 'agent.usage' | 'egress.blocked',
    reportId: string,
    fields: Record<string, unknown>,
  ): Promise<void> {
    const turn = await chatsStore.currentTurn(tenant, workspace.id);
    const data = { ...(turn ? { messageId: turn.id } : {}), ...fields };
    await eventsStore.append(tenant, workspace.id, [
      { type, at: this.world.clock.now(), data, sourceKey: `proxy:${reportId}` },
    ]);
  }
}

function causeOf({ requestId, traceParent, attemptId }: TurnCause): Cause {
  const trace = parseTraceParent(traceParent);
  if (!trace || !attemptId) return { requestId, traceParent };
  return { requestId, traceParent: formatTraceParent({ ...trace, spanId: agentSpanId(attemptId) }) };
}

function nameOf({ credentialId, generation }: Login): string {
  return `${credentialId}:${generation}`;
}
