import { BerthError } from '../kernel/index.js';
import { jobs, type JobHandler, type JobName } from './catalog.js';

/** Which handler does which job. Rooms add theirs when they are made; `check` is asked once all are there. */
export class JobHandlers {
  readonly #handlers = new Map<JobName, JobHandler<JobName>>();

  add<N extends JobName>(name: N, handler: JobHandler<N>): void {
    if (this.#handlers.has(name)) throw new BerthError('internal', `The job ${name} has two handlers.`);
    this.#handlers.set(name, handler as JobHandler<JobName>);
  }

  /** Throws when a job of the catalog has no handler. */
  check(): void {
    const missing = (Object.keys(jobs) as JobName[]).filter((name) => !this.#handlers.has(name));
    if (missing.length > 0) throw new BerthError('internal', `No handler for the jobs ${missing.join(', ')}.`);
  }

  /** Parses the payload and runs the handler, bounded by the catalog's time. */
  async run(name: string, payload: unknown): Promise<void> {
    const handler = this.#handlers.get(name as JobName);
    if (!handler) throw new BerthError('internal', `Nobody knows the job ${name}; it was queued by another version of Berth.`);
    const { payload: schema, timeoutSeconds } = jobs[name as JobName];
    const signal = AbortSignal.timeout(timeoutSeconds * 1000);
    const timedOut = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new BerthError('internal', `The job ${name} took longer than ${timeoutSeconds} s.`)));
    });
    await Promise.race([handler(schema.parse(payload), signal), timedOut]);
  }
}
