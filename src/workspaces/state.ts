import type { DesiredState, OperationView, WorkspaceState } from '../contracts/index.js';
import { overdueReason, type PhaseFacts } from './deadlines.js';

/** Every legal move of a workspace. One function writes them (workspaces.store.ts, `move`), and it asks this table. */
export const legalMoves: Record<WorkspaceState, readonly WorkspaceState[]> = {
  provisioning: ['running', 'failed', 'deleting'],
  running: ['hibernating', 'failed', 'deleting'],
  hibernating: ['hibernated', 'failed', 'deleting'],
  hibernated: ['waking', 'deleting'],
  waking: ['running', 'failed', 'deleting'],
  failed: ['provisioning', 'waking', 'deleting'],
  deleting: ['deleted'],
  deleted: [],
};

/** States in which a runner may speak for the workspace. */
export const statesWithRunner: readonly WorkspaceState[] = ['provisioning', 'waking', 'running'];

/** What `plan` needs to know of a workspace. */
export interface WorkspaceFacts extends PhaseFacts {
  desiredState: DesiredState;
  /** Its tree was there once: a retry wakes it, it need not be cloned again. */
  prepared: boolean;
  /** Turns queued or under way. */
  openTurns: number;
  lastActivityAt: Date;
  idleTimeoutMinutes: number;
}

export type OperationKind = OperationView['kind'];

/** What is due for a workspace. `begin` moves it into a state that something has to be done about; the others do it. */
export type Step =
  | { do: 'nothing' }
  | { do: 'begin'; to: WorkspaceState; operation: OperationKind; why: 'asked' | 'idle' }
  | { do: 'ensure-runner' }
  | { do: 'stop' }
  | { do: 'destroy' }
  | { do: 'clean-up' }
  /** Removes the row alone: the files are on a host that is lost. */
  | { do: 'forget' }
  | { do: 'give-up'; code: string; reason: string };

const MINUTE_MS = 60_000;

/** What is due for this workspace now? Pure: rows and a time in, a step out. */
export function plan(facts: WorkspaceFacts, now: Date): Step {
  if (facts.desiredState === 'deleted') {
    return facts.state === 'deleting'
      ? { do: 'destroy' }
      : { do: 'begin', to: 'deleting', operation: 'delete', why: 'asked' };
  }
  const late = overdueReason(facts, now);
  if (late !== null) return { do: 'give-up', code: 'deadline-exceeded', reason: late };
  switch (facts.state) {
    case 'provisioning':
    case 'waking':
      return { do: 'ensure-runner' };
    case 'running':
      if (facts.desiredState === 'hibernated')
        return { do: 'begin', to: 'hibernating', operation: 'hibernate', why: 'asked' };
      if (isIdle(facts, now)) return { do: 'begin', to: 'hibernating', operation: 'hibernate', why: 'idle' };
      return { do: 'ensure-runner' };
    case 'hibernating':
      return { do: 'stop' };
    case 'hibernated':
      if (facts.desiredState !== 'running') return { do: 'nothing' };
      return { do: 'begin', to: 'waking', operation: 'wake', why: 'asked' };
    case 'failed':
      return { do: 'clean-up' };
    case 'deleting':
      return { do: 'destroy' };
    case 'deleted':
      return { do: 'nothing' };
  }
}

/** Where a retry of a failed workspace begins. */
export function retryStep(facts: Pick<WorkspaceFacts, 'prepared'>): Extract<Step, { do: 'begin' }> {
  return facts.prepared
    ? { do: 'begin', to: 'waking', operation: 'wake', why: 'asked' }
    : { do: 'begin', to: 'provisioning', operation: 'provision', why: 'asked' };
}

function isIdle({ openTurns, lastActivityAt, idleTimeoutMinutes }: WorkspaceFacts, now: Date): boolean {
  return openTurns === 0 && now.getTime() - lastActivityAt.getTime() >= idleTimeoutMinutes * MINUTE_MS;
}
