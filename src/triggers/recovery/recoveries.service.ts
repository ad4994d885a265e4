import { Inject, Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import { SystemStore } from '../../database/index.js';
import { LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import { Deliveries } from '../deliveries/deliveries.service.js';

/** One look for what was missed. */
export interface Look {
  /** Which of the system's places: an organization, or the one App. */
  place: string;
  /** Up to when it was looked last; null: never. What happened just before may not have been known then. */
  since: Date | null;
  /** When this look began. */
  now: Date;
  signal: AbortSignal;
}

/** How a system tells what was missed. Only in processes that work. */
export interface Recovery {
  /** Where to look. */
  places(): Promise<string[]>;
  /** Has what was missed delivered, once more or for the first time, as if it came by itself: twice is no harm. False: not all of it yet, and the next look begins at the same time. */
  look(look: Look): Promise<boolean>;
}

const DAY_MS = 86_400_000;
/** Whoever is at a look for so long is gone: it is as long as the job may take. */
const GONE_MS = 600_000;
/** What was delivered is kept so long: for what waits for a person, and for people who look for a cause. */
const BODIES_MS = 7 * DAY_MS;
const BODIES = 'delivery-bodies';

/** Looks for what other systems told while nobody listened: each place one at a time, and each from where the last look came to. Integrations know how. */
@Injectable()
export class Recoveries {
  readonly #recoveries = new Map<ExternalSystem, Recovery>();

  constructor(
    private readonly system: SystemStore,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    deliveries: Deliveries,
    queue: JobQueue,
  ) {
    // One that comes too late to be worked on says that others may be missing.
    deliveries.whenLate('linear', () => queue.add('deliveries.recover', {}));
  }

  by(system: ExternalSystem, recovery: Recovery): void {
    this.#recoveries.set(system, recovery);
  }

  /** One round. A place that fails keeps no other. */
  async run(signal: AbortSignal): Promise<void> {
    await this.forgetBodies();
    for (const [system, recovery] of this.#recoveries)
      await this.guarded(system, async () => {
        for (const place of await recovery.places())
          if (!signal.aborted) await this.guarded(system, () => this.look(system, recovery, place, signal));
      });
  }

  private async look(
    system: ExternalSystem,
    recovery: Recovery,
    place: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.once(`recovery/${system}/${place}`, async (since, now) => {
      const isDone = await recovery.look({ place, since, now, signal });
      return isDone ? now : null;
    });
  }

  private async forgetBodies(): Promise<void> {
    await this.guarded(BODIES, () =>
      this.once(BODIES, async (since, now) => {
        const before = new Date(now.getTime() - BODIES_MS);
        if (since && before <= since) return null;
        await this.system.deliveries.forgetBodies(since, before);
        return before;
      }),
    );
  }

  /** Does it if nobody else is at it, and keeps how far it came. */
  private async once(
    key: string,
    work: (since: Date | null, now: Date) => Promise<Date | null>,
  ): Promise<void> {
    const now = this.world.clock.now();
    const freeBefore = new Date(now.getTime() - GONE_MS);
    const claimed = await this.system.watermarks.claim(key, {
      claim: this.world.ids.next(),
      at: now,
      freeBefore,
    });
    if (!claimed) return;
    let upTo: Date | null = null;
    try {
      upTo = await work(claimed.upTo, now);
    } finally {
      await this.system.watermarks.release(claimed, upTo);
    }
  }

  private async guarded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.log.warn(
        { what, reason: messageOf(error) },
        'could not look for what was missed; looking again later',
      );
    }
  }
}
