import { Injectable } from '@nestjs/common';
import { agentNames, type Agent } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import { World } from '../kernel/index.js';
import { WorkspaceMachines } from '../workspaces/index.js';
import { AUTHENTICATION_FAILED, leftWork, retrySeconds } from './attempts.js';
import { chatsStore, type TurnAtWork } from './chats.store.js';
import type { TurnError } from './turn.js';

/** The workspace of a turn, whose row the caller has locked. */
interface TurnPlace {
  id: string;
  agent: string;
}

/** Moves of a turn under way that concern its workspace's login too: both are told in one stroke, the login first, since a reader may stop at a turn's last state. */
@Injectable()
export class TurnMoves {
  constructor(
    private readonly machines: WorkspaceMachines,
    private readonly world: World,
  ) {}

  /** The provider refused this login (`id:generation`). One that is known already, told twice or by parallel calls, changes nothing. */
  async refused(tenant: Tenant, workspace: TurnPlace, turn: TurnAtWork, login: string): Promise<void> {
    if (turn.refused.includes(login)) return;
    await chatsStore.addRefused(tenant, turn.id, login);
    if (turn.state === 'running') await this.reauthenticate(tenant, workspace, turn);
  }

  /** The model answered with this login: where another one had been refused, all is well again. */
  async served(tenant: Tenant, workspace: TurnPlace, turn: TurnAtWork, login: string): Promise<void> {
    const isLate = turn.refused.includes(login) || turn.retryAt !== null;
    if (turn.state === 'reauthenticating') {
      if (!isLate) await this.restore(tenant, workspace, turn);
    } else await this.machines.tellAuthentication(tenant, workspace, 'ok', sayRestored(workspace));
  }

  /** An attempt ended because no login was accepted, and there may be another one. Until it is time for it nobody works on the turn. */
  async retryLater(tenant: Tenant, workspace: TurnPlace, turn: TurnAtWork): Promise<void> {
    const refusedAttempts = turn.refusedAttempts + 1;
    const random = this.world.random(4).readUInt32BE() / 2 ** 32;
    const seconds = retrySeconds(refusedAttempts, random);
    const retryAt = new Date(this.world.clock.now().getTime() + seconds * 1000);
    await chatsStore.waitForRetry(tenant, turn.id, { refusedAttempts, retryAt });
    if (turn.state === 'running') await this.reauthenticate(tenant, workspace, turn);
  }

  /** `point`: up to where the agent's session is good now; undefined: nobody said. The agent has its answer; of a login that was refused before, the proxy's word that another one served may still be on its way. */
  async complete(
    tenant: Tenant,
    workspace: TurnPlace,
    turn: TurnAtWork,
    point: string | undefined,
  ): Promise<void> {
    await this.keepPoint(tenant, turn, null, point);
    if (turn.state === 'reauthenticating') await this.restore(tenant, workspace, turn);
    await chatsStore.move(tenant, { ...turn, state: 'running' }, 'completed', this.world.clock.now());
  }

  /** Ends a turn without an answer. Nobody waits for a login that was being seen to any more, which is told as well: whoever was shown "reauthenticating" is not to see it for ever. */
  async stop(
    tenant: Tenant,
    turn: TurnAtWork,
    ending: { state: 'canceled' } | { state: 'failed'; error: TurnError },
    point?: string,
  ): Promise<void> {
    const place = { id: turn.workspaceId };
    const error = ending.state === 'failed' ? ending.error : undefined;
    await this.keepPoint(tenant, turn, error ?? null, point);
    if (error?.code === AUTHENTICATION_FAILED)
      await this.machines.tellAuthentication(tenant, place, 'failed', error.message);
    else if (turn.state === 'reauthenticating')
      await this.machines.tellAuthentication(tenant, place, 'ok', null);
    await chatsStore.move(tenant, turn, ending.state, this.world.clock.now(), { error });
  }

  /** Up to where the agent's session is good once this turn is over. Of one that did something and did not say so, nobody knows: then no place is known, and none is cut at. */
  private async keepPoint(
    tenant: Tenant,
    turn: TurnAtWork,
    error: TurnError | null,
    point: string | undefined,
  ): Promise<void> {
    const place = { id: turn.workspaceId };
    if (point !== undefined) {
      await this.machines.rememberPoint(tenant, place, point);
      return;
    }
    const left = {
      errorCode: error?.code ?? null,
      toolsBegan: turn.toolsBegan,
      answered: turn.startedAt !== null && (await chatsStore.answered(tenant, turn.id)),
      betweenAttempts: turn.retryAt !== null,
    };
    if (leftWork(left)) await this.machines.rememberPoint(tenant, place, null);
  }

  private async reauthenticate(tenant: Tenant, workspace: TurnPlace, turn: TurnAtWork): Promise<void> {
    const message = `Re-authenticating ${nameOf(workspace)}`;
    await this.machines.tellAuthentication(tenant, workspace, 'reauthenticating', message);
    await chatsStore.move(tenant, turn, 'reauthenticating', this.world.clock.now());
  }

  private async restore(tenant: Tenant, workspace: TurnPlace, turn: TurnAtWork): Promise<void> {
    await this.machines.tellAuthentication(tenant, workspace, 'ok', sayRestored(workspace));
    await chatsStore.move(tenant, turn, 'running', this.world.clock.now());
  }
}

function nameOf({ agent }: TurnPlace): string {
  return agentNames[agent as Agent];
}

function sayRestored(workspace: TurnPlace): string {
  return `${nameOf(workspace)} is authenticated again`;
}
