import { pollSeconds } from '../contracts/heartbeat.js';
import type { ClaimedTurn, RunnerAssignment } from '../contracts/runner.js';
import { currentCause, forCause, NO_CAUSE, type Cause } from '../kernel/cause.js';
import { messageOf } from '../kernel/errors.js';
import type { Log } from '../kernel/log.js';
import { inSpan, whenAsked, type Tracer } from '../kernel/tracer.js';
import { KILL } from './agents/driver.js';
import { Backoff } from './backoff.js';
import { RunnerDismissed } from './control-plane-errors.js';
import type { ControlPlane } from './control-plane.js';
import { GitFailure } from './git/failure.js';
import type { AttemptJournal } from './journal.js';
import { Outbox } from './outbox.js';
import { pause, type Timer } from './timer.js';
import { CANCEL, workOnTurn } from './turn.js';
import type { Workspace } from './workspace.js';
import { WorkspaceFailure } from './workspace-failure.js';

/** Why a runner ended. `failed`: the workspace could not be prepared, and that was reported. */
export type EndReason = 'stopped' | 'dismissed' | 'orphaned' | 'failed';

export interface SupervisorOptions {
  controlPlane: ControlPlane;
  /** Opens the workspace that `hello` assigned. Throws WorkspaceFailure when it cannot be used. */
  open(assignment: RunnerAssignment): Workspace;
  journal: AttemptJournal;
  timer: Timer;
  log: Log;
  tracer: Tracer;
  /** Who had this runner started. */
  cause: Cause;
  pid: number;
  /** Ends the runner when no control plane answered for so long. */
  orphanSeconds: number;
  turnTimeoutSeconds: number;
}

/** How long the last facts may take to get out when the runner ends. */
const FLUSH_MILLISECONDS = 3000;
/** A clone that the network cut off is begun again so often; the pauses between grow from a quarter of a second. */
const PREPARE_TRIES = 4;
/** Between two polls that were answered at once, so that a confused server meets no busy loop. */
const POLL_PAUSE_MILLISECONDS = 100;

/**
 * The life of one runner: hello, prepare the tree, then claim, run and finish turns, one at a time. Beside it a loop of commands (cancel, stop), which is the heartbeat too. A
 * control plane that is away for a while is waited for; the agent works on meanwhile.
 */
export class Supervisor {
  readonly #ending = new AbortController();
  readonly #outbox: Outbox;
  /** Turns whose cancel was asked for and whose end is not reported yet. */
  readonly #canceling = new Set<string>();
  readonly #waitSeconds: number;
  /** Of the turn under way or, until it is accounted for, the last one. */
  #turnCause: Cause = NO_CAUSE;
  #current: { turnId: string; cancel: AbortController } | null = null;
  #reason: EndReason = 'stopped';

  constructor(private readonly options: SupervisorOptions) {
    this.#waitSeconds = pollSeconds(options.orphanSeconds);
    this.#outbox = new Outbox({
      // Only a turn's end is told in its trace: what an agent says on the way is too much of it.
      send: (items, signal) =>
        forCause(items.some(({ type }) => type === 'turn.finished') ? this.#turnCause : NO_CAUSE, () =>
          options.controlPlane.report(items, signal),
        ),
      timer: options.timer,
      log: options.log,
      onDismissed: () => this.end('dismissed'),
    });
  }

  /** Runs until the end, and says why it came. The last facts are sent before (for a few seconds at most). */
  async run(): Promise<EndReason> {
    this.#watchOrphan();
    const assignment = await this.#retry((signal) =>
      this.options.controlPlane.hello(this.options.pid, signal),
    );
    if (assignment !== null) {
      const commands = this.#followCommands();
      await this.#work(assignment);
      this.end(this.#reason);
      await commands;
    }
    const lost = this.#reason === 'dismissed' || this.#reason === 'orphaned';
    await this.#outbox.close(lost ? 0 : FLUSH_MILLISECONDS);
    return this.#reason;
  }

  /** Begins the end. `stopped`: the agent is interrupted and its turn left unfinished. Dismissed and orphaned runners kill it at once, since a successor may be there. */
  end(reason: EndReason): void {
    if (this.#ending.signal.aborted) return;
    this.#reason = reason;
    this.#ending.abort(reason === 'stopped' ? 'stop' : KILL);
  }

  #ended(): boolean {
    return this.#ending.signal.aborted;
  }

  async #work(assignment: RunnerAssignment): Promise<void> {
    const workspace = await forCause(this.options.cause, () => this.#prepare(assignment));
    if (workspace === null) return;
    for (;;) {
      // The last turn must be accounted for before the next is asked for: its receipt may still be missing.
      await this.#outbox.drained(this.#ending.signal);
      if (this.#ended()) return;
      const turn = await this.#retry((signal) => this.options.controlPlane.claim(this.#waitSeconds, signal));
      if (turn !== null) await this.#turn(turn, workspace, assignment);
      else await pause(this.options.timer, POLL_PAUSE_MILLISECONDS, this.#ending.signal);
    }
  }

  async #prepare(assignment: RunnerAssignment): Promise<Workspace | null> {
    try {
      const workspace = this.options.open(assignment);
      await inSpan(whenAsked(this.options.tracer), 'prepare tree', {}, () => this.#prepareTree(workspace));
      this.#outbox.add({ type: 'workspace.prepared' });
      return workspace;
    } catch (error) {
      if (this.#ended()) return null;
      if (!(error instanceof WorkspaceFailure))
        this.options.log.error({ error: messageOf(error) }, 'prepare failed');
      const code = error instanceof WorkspaceFailure ? error.code : 'git-failed';
      const message =
        error instanceof WorkspaceFailure
          ? error.message
          : 'The workspace could not be prepared. Try to wake it again.';
      this.#outbox.add({ type: 'workspace.failed', code, message });
      // Not bounded as other ends are: without this fact the workspace would stay "provisioning".
      await this.#outbox.drained(this.#ending.signal);
      this.#reason = this.#ended() ? this.#reason : 'failed';
      return null;
    }
  }

  /**
   * A killed Berth takes its proxy with it, and a clone under way breaks. That says nothing about the repository: once the control plane answers again, the
   * clone is begun anew. A repository that stays out of reach fails after a few tries.
   */
  async #prepareTree(workspace: Workspace): Promise<void> {
    const backoff = new Backoff();
    const { controlPlane, timer, log } = this.options;
    for (let tries = 1; ; tries++) {
      try {
        await workspace.prepare(this.#ending.signal);
        return;
      } catch (error) {
        const isNetwork = error instanceof GitFailure && error.code === 'network';
        if (!isNetwork || tries === PREPARE_TRIES || this.#ended()) throw error;
        log.warn({ tries }, 'the repository was not reached, trying again');
        // A mere sign of life: what it answers, the loop of commands is told as well.
        await this.#retry((signal) => controlPlane.commands(0, [...this.#canceling], signal));
        await pause(timer, backoff.next(), this.#ending.signal);
      }
    }
  }

  async #turn(turn: ClaimedTurn, workspace: Workspace, assignment: RunnerAssignment): Promise<void> {
    const cancel = new AbortController();
    this.#current = { turnId: turn.turnId, cancel };
    // The command may have come before the claim was answered.
    if (this.#canceling.has(turn.turnId)) cancel.abort(CANCEL);
    const { tracer } = this.options;
    const signals = { cancel: cancel.signal, ending: this.#ending.signal };
    const attributes = { 'berth.turn.attempt': turn.attempt, 'berth.turn.mode': turn.mode };
    await forCause(turn.cause ?? NO_CAUSE, () =>
      inSpan(whenAsked(tracer), 'turn', { attributes }, (span) => {
        this.#turnCause = currentCause();
        return workOnTurn(turn, signals, {
          ...this.options,
          workspace,
          assignment,
          report: (fact, endedAt) => {
            if (fact.type === 'turn.finished') span.set({ 'berth.turn.outcome': fact.outcome.result });
            this.#outbox.add(fact, endedAt ?? null);
          },
        });
      }),
    );
    this.#current = null;
    await this.#outbox.drained(this.#ending.signal);
    this.#canceling.delete(turn.turnId);
  }

  async #followCommands(): Promise<void> {
    while (!this.#ended()) {
      const commands = await this.#retry((signal) =>
        this.options.controlPlane.commands(this.#waitSeconds, [...this.#canceling], signal),
      );
      if (commands === null) return;
      for (const turnId of commands.cancel) {
        this.#canceling.add(turnId);
        if (this.#current?.turnId === turnId) this.#current.cancel.abort(CANCEL);
      }
      if (commands.stop) this.end('stopped');
      await pause(this.options.timer, POLL_PAUSE_MILLISECONDS, this.#ending.signal);
    }
  }

  /** Asks until there is an answer; null when the runner ends first. A dismissal ends the runner. */
  async #retry<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const backoff = new Backoff();
    while (!this.#ended()) {
      try {
        return await ask(this.#ending.signal);
      } catch (error) {
        if (error instanceof RunnerDismissed) this.end('dismissed');
        if (this.#ended()) return null;
        this.options.log.warn({ error: messageOf(error) }, 'control plane did not answer, trying again');
        await pause(this.options.timer, backoff.next(), this.#ending.signal);
      }
    }
    return null;
  }

  /** Looks again when the silence would be long enough, until it is. */
  #watchOrphan(): void {
    const limit = this.options.orphanSeconds * 1000;
    const look = (): void => {
      const left = limit - this.options.controlPlane.silentMilliseconds();
      if (left <= 0) {
        this.options.log.error({ seconds: this.options.orphanSeconds }, 'no control plane answered, ending');
        this.end('orphaned');
      } else if (!this.#ended()) {
        const cancel = this.options.timer.after(left, () => {
          this.#ending.signal.removeEventListener('abort', cancel);
          look();
        });
        this.#ending.signal.addEventListener('abort', cancel, { once: true });
      }
    };
    look();
  }
}
