import { BerthError } from '../kernel/index.js';
import { jobs, type JobHandler, type JobName, type JobPayload } from './catalog.js';

/** Which handler does which job. Rooms add theirs when they are made; `check` is asked once all are there. */
export class JobHandlers {
  readonly #handlers = new Map<string, (payload: unknown, signal: AbortSignal) => Promise<void>>();

  add<N extends JobName>(name: N, handler: JobHandler<N>): void {
    if (this.#handlers.has(name)) throw new BerthError('internal', `The job ${name} has two handlers.`);
    // Parsed here, so that a handler gets what its job's schema says and nothing else.
    this.#handlers.set(name, (payload, signal) =>
      handler(jobs[name].payload.parse(payload) as JobPayload<N>, signal),
    );
  }

  /** Throws when a job of the catalog has no handler. */
  check(): void {
    const missing = (Object.keys(jobs) as JobName[]).filter((name) => !this.#handlers.has(name));
    if (missing.length > 0)
      throw new BerthError('internal', `No handler for the jobs ${missing.join(', ')}.`);
  }

  /** Runs a job's handler on its payload, bounded by the catalog's time. */
  async run(name: string, payload: unknown): Promise<void> {
    const handler = this.#handlers.get(name);
    if (!handler)
      throw new BerthError(
        'internal',
        `Nobody knows the job ${name}; it was queued by another version of Berth.`,
      );
    const { timeoutSeconds } = jobs[name as JobName];
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late.abort();
        reject(new BerthError('internal', `The job ${name} took longer than ${timeoutSeconds} s.`));
      }, timeoutSeconds * 1000);
    });
    try {
      await Promise.race([handler(payload, late.signal), timedOut]);
    } finally {
      // Jobs are many and short: none may leave its timer behind.
      clearTimeout(timer);
    }
  }
}
