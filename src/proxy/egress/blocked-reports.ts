import type { Blocked } from '../../contracts/egress-sentences.js';
import type { Clock, Log } from '../../kernel/index.js';
import type { Limits } from '../limits.js';
import type { NewReport } from '../reports.js';

export interface BlockedReportsOptions {
  workspaceId: string;
  add: (report: NewReport) => void;
  clock: Clock;
  log: Log;
  limits: Pick<Limits, 'blockedSeconds' | 'maxBlocked'>;
}

/**
 * Tells what an agent was not let through to, so that people see it: each host once in a while, and a bounded number of hosts, since an agent in a loop, or one that makes up
 * names, must not fill its workspace's log.
 */
export class BlockedReports {
  /** What was told, and until when it is not told again. In the order of these times. */
  readonly #told = new Map<string, number>();
  #tooMany = false;

  constructor(private readonly options: BlockedReportsOptions) {}

  tell({ host, port, reason }: Blocked): void {
    const { add, clock, log, limits, workspaceId } = this.options;
    const now = clock.now().getTime();
    for (const [key, until] of this.#told) {
      if (until > now) break;
      this.#told.delete(key);
    }
    const key = `${host} ${port ?? ''} ${reason}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= limits.maxBlocked) {
      if (!this.#tooMany)
        log.warn({ workspaceId, limit: limits.maxBlocked }, 'too many blocked hosts to tell');
      this.#tooMany = true;
      return;
    }
    this.#tooMany = false;
    this.#told.set(key, now + limits.blockedSeconds * 1000);
    add({ type: 'blocked', host, port, reason });
  }
}
