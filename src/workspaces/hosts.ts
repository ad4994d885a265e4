import type { SeenHost } from '../database/index.js';
import type { Step } from './state.js';

/** Whose a workspace is, as one host sees it. `nobody`: not placed yet. `lost`: of a host that was not seen for long. */
export type Whose = 'nobody' | 'ours' | 'theirs' | 'lost';

export function whose(host: SeenHost | null, ours: string, lostAfterSeconds: number): Whose {
  if (host === null) return 'nobody';
  // A host never finds itself lost: who asks is alive.
  if (host.id === ours) return 'ours';
  return isLost(host, lostAfterSeconds) ? 'lost' : 'theirs';
}

export function isLost({ unseenSeconds }: SeenHost, lostAfterSeconds: number): boolean {
  return unseenSeconds > lostAfterSeconds;
}

/** The host whose queue a workspace's job belongs into; null: any worker's. Of a lost host any worker can at least say so, or remove the row. */
export function queueHost(host: SeenHost | null, lostAfterSeconds: number): string | null {
  return host === null || isLost(host, lostAfterSeconds) ? null : host.id;
}

/**
 * What another host may do of a step whose own host is lost: what is done in rows alone. Files and processes are out of reach; what was removed here is removed there when
 * that host comes back, by its sweep.
 */
export function withoutHost(step: Step, { name }: SeenHost): Step {
  switch (step.do) {
    case 'nothing':
    // It is not at rest for its own host yet, and may not be made so by another: a runner may still live there.
    case 'clean-up':
      return { do: 'nothing' };
    case 'destroy':
      return { do: 'forget' };
    case 'begin':
      // To begin waking is to find out, in the next step, that it cannot be done.
      return step.to === 'hibernating' ? lost(name) : step;
    case 'give-up':
    case 'ensure-runner':
    case 'stop':
    case 'forget':
      return lost(name);
  }
}

function lost(name: string): Step {
  return {
    do: 'give-up',
    code: 'host-lost',
    reason: `Its host, ${name}, has not been seen for a while: the worker that holds its files does not run or cannot reach the database. Start it again and wake the workspace, or delete it.`,
  };
}
