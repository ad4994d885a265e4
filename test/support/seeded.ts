/** Chooses by a seed, so that a run can be had again. */
export class Seeded {
  constructor(private state: number) {}

  /** A whole number from 0, below this one. */
  below(limit: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }

  /** One of them. */
  of<T>(things: readonly T[]): T {
    if (things.length === 0) throw new Error('There is nothing to choose from.');
    return things[this.below(things.length)] as T;
  }
}
