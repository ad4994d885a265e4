import type { LimitsView } from '../contracts/index.js';
import { BerthError } from '../kernel/index.js';
import { statesWithRunner, type WorkspaceFacts } from './state.js';

/** What an organization may have, and has. */
export interface LimitFacts {
  maxWorkspaces: number;
  maxRunning: number;
  maxRequestsPerSecond: number;
  /** Workspaces nobody has asked to delete. */
  workspaces: number;
  /** Of these, those that run, or are to run. */
  running: number;
}

/** True while a workspace takes one of the places for running ones: it has processes, or will have some as soon as a worker looks. */
export function takesPlace({ state, desiredState }: Pick<WorkspaceFacts, 'state' | 'desiredState'>): boolean {
  if (desiredState === 'deleted' || state === 'failed') return false;
  return desiredState === 'running' || statesWithRunner.includes(state);
}

/** Why one more workspace is not to be had. A new one starts at once, so it needs both. */
export function objectionToNew(facts: LimitFacts): BerthError | null {
  if (facts.workspaces >= facts.maxWorkspaces)
    return new BerthError(
      'limit-workspaces',
      `This organization has ${facts.workspaces} workspaces, and ${facts.maxWorkspaces} is its limit. Delete one that is not needed any more, or ask who runs this Berth for a higher limit.`,
    );
  return objectionToRunning(facts);
}

/** Why one more may not run now. */
export function objectionToRunning({ running, maxRunning }: LimitFacts): BerthError | null {
  if (running < maxRunning) return null;
  return new BerthError(
    'limit-running',
    `${running} workspaces of this organization run, and ${maxRunning} is its limit. Hibernate one that is not needed now, or wait until an idle one sleeps; who runs this Berth can raise the limit.`,
  );
}

export function limitsView(facts: LimitFacts): LimitsView {
  return {
    workspaces: { limit: facts.maxWorkspaces, used: facts.workspaces },
    running: { limit: facts.maxRunning, used: facts.running },
    requestsPerSecond: { limit: facts.maxRequestsPerSecond },
  };
}
