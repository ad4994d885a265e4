import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { RunnerTurnsService } from '../chats/index.js';
import type { ClaimedTurn } from '../contracts/index.js';
import { CredentialsService } from '../credentials/index.js';
import type { Machine } from '../identity/index.js';
import { World } from '../kernel/index.js';

/**
 * Turns as a runner claims them, one person's after another's: the second begins only when no credential that is the first one's own is in the proxy any more. So nobody's own
 * credential serves another's turn, not even for the seconds of a lease.
 */
@Injectable()
export class ClaimsService {
  constructor(
    private readonly turns: RunnerTurnsService,
    private readonly credentials: CredentialsService,
    private readonly world: World,
  ) {}

  /** Null: nothing to do now. */
  async claim(machine: Machine, runnerId: string, gone: AbortSignal): Promise<ClaimedTurn | null> {
    const first = await this.ask(machine, runnerId);
    if (!first || !('notBefore' in first)) return first;
    const wait = first.notBefore.getTime() - this.world.clock.now().getTime();
    await delay(Math.max(wait, 0), undefined, { signal: gone }).catch(() => undefined);
    if (gone.aborted) return null;
    const second = await this.ask(machine, runnerId);
    // Held back again: the runner's next claim finds it.
    return second && 'notBefore' in second ? null : second;
  }

  private ask(machine: Machine, runnerId: string) {
    return this.turns.claim(machine, runnerId, (tenant, workspaceId, authorId) =>
      this.credentials.foreignUntil(tenant, workspaceId, authorId),
    );
  }
}
