import type { AgentTurn } from './driver.js';

/** How a turn begins in a thread that is there already: what is said, and before which of its turns it is cut. */
export interface CodexOpening {
  say: 'request' | 'continue';
  revertBefore: string | null;
}

/**
 * Decides by the ids of the thread's turns that came after the last good one, newest first; null: that one is not in the thread. A replay cuts off all of them, also what an earlier replay
 * left when it was killed. A turn that is continued was perhaps never asked: when nothing came after the last good one, it is asked now.
 */
export function codexOpening(
  { mode, point }: Pick<AgentTurn, 'mode' | 'point'>,
  after: readonly string[] | null,
): CodexOpening {
  const isAbsent = after?.length === 0;
  switch (mode) {
    case 'start':
      return { say: 'request', revertBefore: null };
    case 'continue':
      return { say: isAbsent ? 'request' : 'continue', revertBefore: null };
    case 'replay':
      // Nothing is cut in the dark: the request is in the thread, and is not asked again.
      return after === null || point === null
        ? { say: 'continue', revertBefore: null }
        : { say: 'request', revertBefore: after.at(-1) ?? null };
  }
}
