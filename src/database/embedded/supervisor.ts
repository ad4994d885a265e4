import { setTimeout as delay } from 'node:timers/promises';
import { BerthError, messageOf, type Log, type Secret } from '../../kernel/index.js';
import type { PostgresBinaries } from './binaries.js';
import type { ClusterPaths } from './cluster.js';
import { Guard, lockOwnServer, superuserUrl } from './guard.js';
import type { RunAs } from './identity.js';
import { ensureOwner } from './owner.js';
import {
  connectWhenReady,
  freePort,
  logTail,
  spawnServer,
  stopServer,
  type PostgresServer,
} from './server.js';
import { takeOver } from './take-over.js';

const START_ATTEMPTS = 5;
const FIRST_BACK_OFF_MS = 200;
const MAX_BACK_OFF_MS = 10_000;

export interface SupervisorOptions {
  paths: ClusterPaths;
  binaries: PostgresBinaries;
  runAs: RunAs;
  /** Of the superuser. */
  password: Secret;
  log: Log;
  isThrowaway: boolean;
}

/** Holds one server and the lock on it: starts, watches, starts again on the same port, stops. */
export class Supervisor {
  private server: PostgresServer | undefined;
  private guard: Guard | undefined;
  /** All healing, one after another. */
  private healing: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: SupervisorOptions) {}

  /**
   * Starts the server, takes the lock and makes the owner's role and database. Returns the port. Throws `data-directory-in-use` or
   * `database-unavailable`, and then leaves no process behind.
   */
  async start(ownerPassword: Secret): Promise<number> {
    for (let attempt = 1; !(await this.launch(await freePort())); attempt += 1) {
      // A port taken since we looked, or a Berth that was quicker, which the next round will meet.
      if (attempt === START_ATTEMPTS) throw await this.doesNotStart();
    }
    const { guard, server } = this;
    if (guard === undefined || server === undefined) throw await this.doesNotStart();
    try {
      await ensureOwner(guard, ownerPassword);
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { pid, port } = server;
    this.options.log.info({ pid, port, as: this.options.runAs.name }, 'embedded Postgres is running');
    return port;
  }

  /** Stops the server in order; the same promise however often it is called. */
  stop(): Promise<void> {
    this.stopped ??= this.shutDown();
    return this.stopped;
  }

  private async shutDown(): Promise<void> {
    this.stopping.abort();
    await this.healing;
    if (this.server !== undefined) {
      await stopServer(this.server);
      this.options.log.info({ pid: this.server.pid }, 'embedded Postgres has stopped');
    }
    // Kept until here: without the lock another Berth could take a server that is ending for an orphan.
    await this.guard?.close();
  }

  /** One start. False when the server ended at once. */
  private async launch(port: number): Promise<boolean> {
    const { paths, binaries, runAs, password, log, isThrowaway } = this.options;
    await takeOver(paths, password, log);
    const server = await spawnServer(paths, binaries, runAs, { port, isThrowaway });
    let guard: Guard | undefined;
    try {
      guard = await connectWhenReady(server, superuserUrl(port, password), paths);
      if (guard === undefined) return false;
      await lockOwnServer(guard, paths.directory);
    } catch (error) {
      await stopServer(server);
      await guard?.close();
      throw error;
    }
    this.server = server;
    this.watchServer(server);
    this.keepLock(server, guard);
    return true;
  }

  private watchServer(server: PostgresServer): void {
    void server.exited.then(() =>
      this.heal('embedded Postgres ended by itself; starting it again', async () => {
        if (!(await this.launch(server.port))) throw await this.doesNotStart();
        this.options.log.info(
          { pid: this.server?.pid, port: server.port },
          'embedded Postgres is running again',
        );
      }),
    );
  }

  private keepLock(server: PostgresServer, guard: Guard): void {
    this.guard = guard;
    guard.onClose(() => {
      if (server.hasExited()) return; // Starting the server again takes the lock again.
      this.heal('the lock on embedded Postgres was lost; taking it again', () => this.lockAgain(server));
    });
  }

  private async lockAgain(server: PostgresServer): Promise<void> {
    if (server.hasExited()) return;
    const guard = await Guard.connect(superuserUrl(server.port, this.options.password));
    try {
      await lockOwnServer(guard, this.options.paths.directory);
    } catch (error) {
      await guard.close();
      throw error;
    }
    this.keepLock(server, guard);
    this.options.log.info({}, 'the lock on embedded Postgres is held again');
  }

  /** Runs `action` after all earlier healing, again and again with back-off until it succeeds or Berth stops. */
  private heal(reason: string, action: () => Promise<void>): void {
    const { signal } = this.stopping;
    if (signal.aborted) return;
    this.options.log.warn({}, reason);
    const untilHealed = async (): Promise<void> => {
      for (
        let backOffMs = FIRST_BACK_OFF_MS;
        !signal.aborted;
        backOffMs = Math.min(backOffMs * 2, MAX_BACK_OFF_MS)
      ) {
        try {
          await action();
          return;
        } catch (error) {
          this.options.log.error(
            { reason: messageOf(error), backOffMs },
            'embedded Postgres is not back yet; trying again',
          );
        }
        // An abort only cuts the wait short.
        await delay(backOffMs, undefined, { signal }).catch(() => undefined);
      }
    };
    this.healing = this.healing.then(untilHealed);
  }

  private async doesNotStart(): Promise<BerthError> {
    const { paths } = this.options;
    return new BerthError(
      'database-unavailable',
      `The built-in Postgres does not start. The end of its log ${paths.log}: ${await logTail(paths)}`,
    );
  }
}
