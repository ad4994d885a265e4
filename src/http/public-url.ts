/** Where people reach this Berth: base of links, and the origin that browsers must name. Known at last when the server listens. */
export class PublicUrl {
  constructor(
    private readonly read: () => string,
    /** False in a worker that was not told: its own address is none of people's. */
    readonly isKnown = true,
  ) {}

  get url(): string {
    return this.read();
  }

  get origin(): string {
    return new URL(this.read()).origin;
  }
}
