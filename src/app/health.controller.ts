import { Controller, Inject } from '@nestjs/common';
import { healthRoute, readyRoute } from '../contracts/index.js';
import { Database } from '../database/index.js';
import { BindRoute } from '../http/index.js';
import { BerthError, LOG, messageOf, type Log } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { Readiness } from './readiness.js';

/** How a process does, whichever its role. */
@Controller()
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly readiness: Readiness,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @BindRoute(healthRoute)
  health() {
    return { status: 'ok' as const };
  }

  /**
   * Throws `not-ready` with what does not answer, and `database-newer`. Why it does not is for the log: everybody may ask here, and drivers name logins and hosts.
   */
  @BindRoute(readyRoute)
  async ready() {
    this.readiness.requireCurrent();
    if (!this.readiness.isOpen) throw notReady('it is starting or stopping');
    await this.answers('database', () => this.database.ping());
    await this.answers(`queue on ${this.queue.store}`, () => this.queue.ping());
    return { status: 'ready' as const };
  }

  private async answers(part: string, ping: () => Promise<void>): Promise<void> {
    try {
      await ping();
    } catch (error) {
      this.log.warn({ part, reason: messageOf(error) }, 'not ready: a part does not answer');
      throw notReady(`the ${part} does not answer`);
    }
  }
}

function notReady(reason: string): BerthError {
  return new BerthError('not-ready', `Berth cannot serve now: ${reason}.`, { retryAfterSeconds: 5 });
}
