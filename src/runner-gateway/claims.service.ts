import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { RunnerTurnsService } from '../chats/index.js';
import type { ClaimedTurn } from '../contracts/index.js';
import { CredentialsService } from '../credentials/index.js';
import { WorkspaceFeed } from '../events/index.js';
import type { Machine } from '../identity/index.js';
import { World } from '../kernel/index.js';

const EARLY_MS = 5;

/**
 * Turns as a runner claims them, one person's after another's: the second begins only when no credential that is the first one's own is in the proxy any more. So nobody's own
 * credential serves another's turn, not even for the seconds of a lease. An attempt after a refused login waits for its time in the same way.
 */
@Injectable()
export class ClaimsService {
  constructor(
    private readonly turns: RunnerTurnsService,
    private readonly credentials: CredentialsService,
    private readonly feed: WorkspaceFeed,
    private readonly world: World,
  ) {}

  /** Null: nothing to do now. A turn that may begin soon is waited for; whatever changes meanwhile (it is canceled, say) is seen at once. */
  async claim(machine: Machine, runnerId: string, gone: AbortSignal): Promise<ClaimedTurn | null> {
    for (let again = true; again;) {
      const changed = new AbortController();
      // Before the look, so that a change between it and the waiting is not missed.
      const unsubscribe = this.feed.subscribe(machine.workspaceId, () => changed.abort());
      try {
        const found = await this.ask(machine, runnerId);
        if (!found || !('notBefore' in found)) return found;
        await this.until(found.notBefore, AbortSignal.any([gone, changed.signal]));
      } finally {
        unsubscribe();
      }
      if (gone.aborted || this.feed.closed) return null;
      again = changed.signal.aborted;
    }
    const found = await this.ask(machine, runnerId);
    // Held back again: the runner's next claim finds it.
    return found && 'notBefore' in found ? null : found;
  }

  private async until(time: Date, signal: AbortSignal): Promise<void> {
    const wait = time.getTime() - this.world.clock.now().getTime();
    // Timers may be a moment early by the clock of the rows.
    await delay(Math.max(wait, 0) + EARLY_MS, undefined, { signal }).catch(() => undefined);
  }

  private ask(machine: Machine, runnerId: string) {
    return this.turns.claim(machine, runnerId, (tenant, workspaceId, authorId) =>
      this.credentials.foreignUntil(tenant, workspaceId, authorId),
    );
  }
}
