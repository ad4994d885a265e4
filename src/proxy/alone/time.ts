import type { Clock } from '../../kernel/index.js';

/** Time, work at a later time, and chance, as one argument. */
export interface Time extends Clock {
  /** Does some work after so many milliseconds, unless the answer is called before. Keeps no process alive. */
  after(milliseconds: number, work: () => void): () => void;
  /** From 0 to 1. */
  random(): number;
}

export const systemTime: Time = {
  now: () => new Date(),
  after: (milliseconds, work) => {
    const timer = setTimeout(work, milliseconds).unref();
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
