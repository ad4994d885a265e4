/** What is known of a runner that the runtime says is alive. */
export interface RunnerSigns {
  /** When it was last heard, or else since when it could have been. */
  heardAt: Date;
  now: Date;
  /** Whether a runner there could reach Berth at this moment. Asked only of one that is silent. */
  canReachBerth: () => Promise<boolean>;
}

/**
 * Finds runners that live and hang: their processes are there, and their heartbeat (the poll for commands) stays away. One that is silent for too long is suspected first, and found to
 * hang when it stays silent for half as long again while it could have been heard: after Berth itself was away, every runner is silent, and none of them hangs. Suspicions are
 * this process's own, so that a new one begins without any.
 */
export class RunnerWatch {
  readonly #suspectedAt = new Map<string, number>();

  constructor(private readonly silentSeconds: number) {}

  async hangs(workspaceId: string, { heardAt, now, canReachBerth }: RunnerSigns): Promise<boolean> {
    const silentMs = now.getTime() - heardAt.getTime();
    if (silentMs < this.silentSeconds * 1000 || !(await canReachBerth())) {
      this.forget(workspaceId);
      return false;
    }
    const since = this.#suspectedAt.get(workspaceId);
    // Heard since it was suspected: that suspicion was wrong, and a new one begins.
    if (since === undefined || heardAt.getTime() > since) {
      this.#suspectedAt.set(workspaceId, now.getTime());
      return false;
    }
    return now.getTime() - since >= (this.silentSeconds / 2) * 1000;
  }

  /** It was replaced, or is no more. */
  forget(workspaceId: string): void {
    this.#suspectedAt.delete(workspaceId);
  }
}
