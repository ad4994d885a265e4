import type { Clock } from './clock.js';
import type { Ids } from './ids.js';

/**
 * Time, ids and randomness as one argument. A class, so that Nest can inject it by type; src/main.ts makes the real one, tests make their own.
 */
export class World {
  constructor(
    readonly clock: Clock,
    readonly ids: Ids,
    /** Cryptographically strong random bytes. */
    readonly random: (size: number) => Buffer,
  ) {}
}
