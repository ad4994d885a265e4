/** What proves, at the first run, that one may read this server's output: BERTH_SETUP_TOKEN, or made at start and printed. */
export class SetupToken {
  constructor(readonly text: string) {}
}
