import type { Cause, WorkspaceState } from '../contracts/index.js';

/** Which states must end, by when, and what a workspace that is in one of them waits for. Pure: facts and a time in, words for people out. */

interface Deadline {
  minutes: number;
  /** "It did not … within 5 minutes." */
  doing: string;
  /** At the end it fails; a deletion is tried for ever, and only says why it lasts. */
  then: 'fail' | 'tell';
}

type PassingState = 'provisioning' | 'waking' | 'hibernating' | 'deleting';

/** Cloning a big repository over a slow line takes long; the others only start or end processes, and remove files. */
export const deadlines: Readonly<Record<PassingState, Deadline>> = {
  provisioning: { minutes: 30, doing: 'prepare the repository', then: 'fail' },
  waking: { minutes: 5, doing: 'wake up', then: 'fail' },
  hibernating: { minutes: 5, doing: 'go to sleep', then: 'fail' },
  deleting: { minutes: 5, doing: 'disappear', then: 'tell' },
};

/** What is normal is not worth a word: a wait is told after so long. */
export const TOLD_AFTER_SECONDS = 30;

export interface PhaseFacts {
  state: WorkspaceState;
  stateChangedAt: Date;
  /** Machines have a right to speak for it: a worker has begun to start one. */
  hasTokens: boolean;
  /** When its runner was last heard, in this state or before. */
  runnerHeardAt: Date | null;
  /** What the runtime said last when something could not be done. */
  obstacle: string | null;
}

export function deadlineOf(state: WorkspaceState): Deadline | null {
  return state in deadlines ? deadlines[state as PassingState] : null;
}

/** What it waits for; null in a state of rest. */
export function causeOf(facts: PhaseFacts): Cause | null {
  if (!deadlineOf(facts.state)) return null;
  if (facts.obstacle !== null) return { code: 'runtime-refuses', message: facts.obstacle };
  switch (facts.state) {
    case 'provisioning':
    case 'waking':
      return startingCause(facts);
    case 'hibernating':
      return {
        code: 'processes-to-end',
        message:
          'Its processes have not been ended yet: no worker has come to it, or ending them takes long.',
      };
    default:
      return {
        code: 'files-to-go',
        message:
          'Its files and processes have not been removed yet: no worker has come to it, or removing them takes long.',
      };
  }
}

function startingCause({ state, stateChangedAt, hasTokens, runnerHeardAt }: PhaseFacts): Cause {
  if (!hasTokens)
    return {
      code: 'no-worker',
      message: 'No worker has taken it up yet. Is one running, and not overloaded?',
    };
  if (runnerHeardAt === null || runnerHeardAt < stateChangedAt)
    return {
      code: 'runner-silent',
      message:
        'Its runner was asked for, and has not said hello: it could not start, or cannot reach Berth from where it runs.',
    };
  return state === 'provisioning'
    ? { code: 'clone-under-way', message: 'The repository is being cloned.' }
    : { code: 'tree-under-way', message: 'Its runner is there, and looks after the files.' };
}

/** The cause, once the wait is long enough to be told. */
export function waitOf(facts: PhaseFacts, now: Date): Cause | null {
  return secondsIn(facts, now) >= TOLD_AFTER_SECONDS ? causeOf(facts) : null;
}

/** Why it fails now, because its state had to end by now; null while there is time, and where nothing is given up. */
export function overdueReason(facts: PhaseFacts, now: Date): string | null {
  const deadline = deadlineOf(facts.state);
  if (deadline?.then !== 'fail' || secondsIn(facts, now) < deadline.minutes * 60) return null;
  const cause = causeOf(facts)?.message ?? '';
  return `It did not ${deadline.doing} within ${deadline.minutes} minutes. ${cause} Wake it to try again, or delete it; the server’s log has the details.`;
}

function secondsIn({ stateChangedAt }: PhaseFacts, now: Date): number {
  return (now.getTime() - stateChangedAt.getTime()) / 1000;
}
