import { BerthError } from '../kernel/index.js';
import type { Hold } from './hold.js';
import type { HeldLease } from './leases.js';
import type { Workspace } from './workspace.js';

/** The credential of one git call: of its repository's host, if there is one. */
export class GitCredential {
  constructor(
    private readonly workspace: Workspace,
    private readonly host: string,
    private readonly hold: Hold,
  ) {}

  /** Whether one was refused that this call was sent with. */
  get wasRefused(): boolean {
    return this.hold.wasRefused;
  }

  /** What to send with next; null: there is nothing (left), and git goes without. Throws BerthError `forbidden`, `not-ready`; ClientGone. */
  async next(): Promise<HeldLease | null> {
    try {
      const lease = await this.hold.next();
      if (lease.credential.git?.host === this.host) return lease;
      // Never to be sent where it does not belong.
      this.workspace.context.log.error({ workspaceId: this.workspace.id }, 'git lease of a wrong host');
      return null;
    } catch (error) {
      const isNone = error instanceof BerthError && NONE.has(error.code);
      if (isNone) return null;
      throw error;
    }
  }

  /** The git server refused it: it is not sent again, and the next one is asked for. */
  refused(lease: HeldLease, status: number): void {
    const { reports, leases } = this.workspace;
    const { credentialId, generation } = lease;
    const told = reports.tell({ type: 'refused', credentialId, generation, status, errorType: null });
    leases.refused('git', lease, told);
    this.hold.refused(lease);
  }

  /** The git server refused what was asked for, and not the credential: it may not write there, say. */
  denied({ credentialId, generation }: HeldLease, status: number): void {
    this.workspace.reports.add({ type: 'denied', credentialId, generation, status, errorType: null });
  }
}

/** There is none; or as many as one call may try were refused. */
const NONE = new Set(['no-git-credential', 'no-agent-credential']);
