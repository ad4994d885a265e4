import type { WrittenProblem } from '../problem.js';

/** Thrown for a problem that was answered before, so that it goes out as it was (problem.filter.ts). */
export class KeptProblem extends Error {
  constructor(readonly answer: WrittenProblem) {
    super('This request was answered before.');
  }
}
