import { agentNames } from './agent-names.js';
import type { ClaimedTurn, RunnerAssignment } from '../contracts/runner.js';
import { BerthError, messageOf } from '../kernel/errors.js';
import { agentSpanId } from '../kernel/trace-parent.js';
import { inSpan, whenAsked, type Tracer } from '../kernel/tracer.js';
import type { Log } from '../kernel/log.js';
import { agentEnd, type AgentEnd, type AgentItem } from './agents/driver.js';
import { failed } from './agents/failures.js';
import { GitFailure } from './git/failure.js';
import type { AttemptJournal } from './journal.js';
import type { Timer } from './timer.js';
import type { Fact, TurnRef } from './wire.js';
import type { Workspace } from './workspace.js';

export interface TurnOptions {
  workspace: Workspace;
  assignment: RunnerAssignment;
  journal: AttemptJournal;
  timer: Timer;
  log: Log;
  tracer: Tracer;
  turnTimeoutSeconds: number;
  /** Takes one fact to report; `endedAt` on `timer` for the last. */
  report: (fact: Fact, endedAt?: number) => void;
}

/** Reason of an abort by a person. */
export const CANCEL = 'cancel';
const TIMEOUT = 'timeout';

/** What may end a turn early: a person (`cancel`), or the end of the runner itself (`ending`). */
export interface TurnSignals {
  cancel: AbortSignal;
  ending: AbortSignal;
}

/**
 * Works on one turn: the agent, then commit and publish, then `turn.finished`. When the runner itself ends first, the turn is left as it is: not
 * finished, to be continued by the next runner. Never throws.
 */
export async function workOnTurn(
  claimed: ClaimedTurn,
  signals: TurnSignals,
  options: TurnOptions,
): Promise<void> {
  const { report, timer } = options;
  const turn = options.journal.begin(claimed);
  const ref: TurnRef = { turnId: turn.turnId, attemptId: turn.attemptId };
  const timeout = new AbortController();
  const stopLimit = timer.after(options.turnTimeoutSeconds * 1000, () => timeout.abort(TIMEOUT));
  const signal = AbortSignal.any([signals.cancel, signals.ending, timeout.signal]);
  const note = await noteOf(turn, signal, options);
  const { outcome, point } = await runAgent(turn, note, signal, options, (item) => {
    if (item.type === 'agent.session') options.journal.session(turn, item.session);
    report({ ...ref, ...item });
  });
  stopLimit();
  const endedAt = timer.now();
  if (outcome.result === 'canceled' && signal.reason !== CANCEL) return;
  // A cancel was for the agent. What it did is kept and published all the same: only the runner's end stops that.
  await publishWork(turn, ref, signals.ending, options);
  const good = point === null ? {} : { point };
  report({ ...ref, type: 'turn.finished', outcome, ageSeconds: 0, ...good }, endedAt);
}

/**
 * What others pushed meanwhile comes in before the agent looks at the tree; answers what it has to know of that. Not where an earlier attempt is continued: it may have left work half done. A repository
 * that is out of reach does not stop the turn: it is asked again when the work is published.
 */
async function noteOf(turn: ClaimedTurn, signal: AbortSignal, options: TurnOptions): Promise<string | null> {
  if (turn.mode === 'continue') return null;
  return options.journal.note(await catchUp(turn, signal, options));
}

async function catchUp(turn: ClaimedTurn, signal: AbortSignal, options: TurnOptions): Promise<string | null> {
  try {
    return await options.workspace.catchUp(turn.author, signal);
  } catch (error) {
    if (!signal.aborted) options.log.warn({ error: messageOf(error) }, 'what others pushed was not fetched');
    return null;
  }
}

async function runAgent(
  turn: ClaimedTurn,
  note: string | null,
  signal: AbortSignal,
  options: TurnOptions,
  onItem: (item: AgentItem) => void,
): Promise<AgentEnd> {
  const { assignment, workspace, log } = options;
  const name = agentNames[assignment.agent];
  if (signal.aborted) return agentEnd({ result: 'canceled' }, null);
  try {
    // The span's id is agreed on beforehand: the proxy puts the agent's model calls below it.
    const span = { spanId: agentSpanId(turn.attemptId), attributes: { 'berth.model': assignment.model } };
    const end = await inSpan(whenAsked(options.tracer), `agent ${assignment.agent}`, span, () =>
      workspace.driver.runTurn({
        text: note === null ? turn.text : `(${note})\n\n${turn.text}`,
        mode: turn.mode,
        session: turn.session,
        point: turn.point,
        attemptId: turn.attemptId,
        model: assignment.model,
        author: turn.author,
        signal,
        onItem,
      }),
    );
    const isTooLong = end.outcome.result === 'canceled' && signal.reason === TIMEOUT;
    return isTooLong ? { ...end, outcome: failed('agent-timeout', name) } : end;
  } catch (error) {
    if (error instanceof BerthError && error.code === 'agent-missing')
      return agentEnd(failed('agent-missing', name), null);
    log.error({ error: messageOf(error) }, 'agent could not be run');
    return agentEnd(failed('agent-crashed', name), null);
  }
}

async function publishWork(
  turn: ClaimedTurn,
  ref: TurnRef,
  signal: AbortSignal,
  { workspace, report, log, tracer }: TurnOptions,
): Promise<void> {
  try {
    const pushed = await inSpan(whenAsked(tracer), 'git commit and push', {}, async (span) => {
      const published = await workspace.publishWork(turn.text, turn.author, signal);
      span.set({ 'berth.git.pushed': published !== null });
      return published;
    });
    if (pushed !== null) report({ ...ref, type: 'git.pushed', ...pushed });
  } catch (error) {
    // The runner ends: the work stays on the disk and goes out after the next turn.
    if (signal.aborted) return;
    if (!(error instanceof GitFailure)) log.error({ error: messageOf(error) }, 'publishing failed');
    const code = error instanceof GitFailure ? error.code : 'git-failed';
    const message =
      error instanceof GitFailure
        ? error.message
        : 'The work could not be published. It will be tried again after the next turn.';
    report({ ...ref, type: 'git.failed', code, message });
  }
}
