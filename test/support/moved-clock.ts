import type { Clock } from '../../src/kernel/index.js';

/** A clock that runs as the machine's does, and can be set. */
export class MovedClock implements Clock {
  #offset = 0;

  now(): Date {
    return new Date(Date.now() + this.#offset);
  }

  set(at: Date | number): void {
    this.#offset = Number(at) - Date.now();
  }
}
