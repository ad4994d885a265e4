/** Work that goes on beside that which began it: nobody waits for it but the end of the process. */
export class Aside {
  readonly #underWay = new Set<Promise<void>>();

  /** `work` must not throw: there is nobody to tell. */
  begin(work: () => Promise<void>): void {
    const underWay = work().finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  /** Comes back when nothing is under way any more. */
  async over(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}
