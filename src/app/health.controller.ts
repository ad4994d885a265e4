import { Controller, Inject } from '@nestjs/common';
import { healthRoute, readyRoute } from '../contracts/index.js';
import { Database } from '../database/index.js';
import { BindRoute } from '../http/index.js';
import { BerthError, LOG, messageOf, type Log } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { Readiness } from './readiness.js';

/** How long one part may take to answer. Who probes has a limit, too, and should hear the reason before it. */
const ANSWER_MS = 2_000;

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
      await inTime(ping());
    } catch (error) {
      this.log.warn({ part, reason: messageOf(error) }, 'not ready: a part does not answer');
      throw notReady(`the ${part} does not answer`);
    }
  }
}

function notReady(reason: string): BerthError {
  return new BerthError('not-ready', `Berth cannot serve now: ${reason}.`, { retryAfterSeconds: 5 });
}

/** A store that is stopped or cut off keeps its connections and says nothing, for as long as it likes. */
async function inTime(answer: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS / 1000} s`)), ANSWER_MS);
  });
  try {
    await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
