import { BerthError } from '../kernel/index.js';
import type { Runtime, RuntimeStart, WorkspacePresence } from './runtime.js';

/**
 * A runtime of which no call lasts longer than so many seconds for its caller. What the runtime itself is doing goes on, and since it does one thing at a time per workspace, the next
 * call waits for it there: nothing overtakes. Without this a call that never comes back would hold its workspace for ever, past every deadline.
 */
export class BoundedRuntime implements Runtime {
  constructor(
    private readonly runtime: Runtime,
    private readonly seconds: number,
  ) {}

  get hostId(): string {
    return this.runtime.hostId;
  }

  start(request: RuntimeStart): Promise<{ adopted: boolean }> {
    return this.#bounded('start it', this.runtime.start(request));
  }

  stop(workspaceId: string): Promise<void> {
    return this.#bounded('stop it', this.runtime.stop(workspaceId));
  }

  destroy(workspaceId: string): Promise<void> {
    return this.#bounded('remove it', this.runtime.destroy(workspaceId));
  }

  forget(credentialId: string): void {
    this.runtime.forget(credentialId);
  }

  inspect(workspaceId: string): Promise<WorkspacePresence> {
    return this.#bounded('look at it', this.runtime.inspect(workspaceId));
  }

  list(): Promise<string[]> {
    return this.#bounded('list what is there', this.runtime.list());
  }

  listed(): Promise<ReadonlySet<string>> {
    return this.#bounded('list what is there', this.runtime.listed());
  }

  running(): Promise<string[]> {
    return this.#bounded('list what runs', this.runtime.running());
  }

  canReachBerth(): Promise<boolean> {
    return this.#bounded('say whether Berth is reached', this.runtime.canReachBerth());
  }

  open(): Promise<void> {
    return this.runtime.open();
  }

  close(): Promise<void> {
    return this.runtime.close();
  }

  async #bounded<T>(doing: string, call: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `The place where it runs did not ${doing} within ${this.seconds} seconds.`;
        // `not-ready`: it may well come; asking again is all that can be done about it.
        reject(new BerthError('not-ready', message, { retryAfterSeconds: 5 }));
      }, this.seconds * 1000);
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
