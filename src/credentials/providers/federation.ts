/** How Berth vouches for workspaces at Anthropic, handed in from config (providers.md 2.1). */
export class FederationSettings {
  constructor(
    readonly tokenUrl: string,
    /** For whom assertions are made; exactly what the federation rule says. */
    readonly audience: string,
    /** After so many days the sweep makes the next key; 0: never by itself. */
    readonly keyDays: number,
  ) {}
}
