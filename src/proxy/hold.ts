import { BerthError } from '../kernel/index.js';
import type { LentFor } from '../contracts/proxy.js';
import type { HeldLease, LeaseCache } from './leases.js';
import type { Limits } from './limits.js';
import { pause, waitFor } from './wait.js';

/** How much longer a pause may be, so that the calls of many workspaces do not come back all at once. */
const JITTER = 0.25;

/** How one call comes by a credential, and by the next one when its own was refused. The agent waits meanwhile and knows nothing of it. */
export class Hold {
  readonly #tried = new Set<string>();
  readonly #end: number;
  #leased = 0;
  #isHeld = false;
  #seconds = 0;

  /** `gone` aborts when there is nobody to answer any more. */
  constructor(
    private readonly leases: Pick<LeaseCache, 'get'>,
    private readonly upstream: LentFor,
    private readonly limits: Pick<Limits, 'holdSeconds' | 'maxSends' | 'notYetSeconds'>,
    private readonly gone: AbortSignal,
  ) {
    this.#end = performance.now() + limits.holdSeconds * 1000;
  }

  /** How long the call waited for more than its first lease; null when it did not have to. */
  get heldSeconds(): number | null {
    return this.#isHeld ? this.#seconds : null;
  }

  /** How often the call was sent again. */
  get resends(): number {
    return Math.max(0, this.#leased - 1);
  }

  /** Whether a credential of this call was refused. */
  get wasRefused(): boolean {
    return this.#tried.size > 0;
  }

  /** The credential was refused: this generation of it is not sent again. */
  refused(lease: HeldLease): void {
    this.#tried.add(nameOf(lease));
    this.#isHeld = true;
  }

  /**
   * A lease that this call has not tried. While there is none for the moment it waits, within its bound. Throws BerthError: `not-ready` at the end of the bound,
   * `no-agent-credential` also when it was sent as often as one call may be, else as `LeaseCache.get`; ClientGone.
   */
  async next(): Promise<HeldLease> {
    if (this.#leased >= this.limits.maxSends) throw enough();
    const begun = performance.now();
    try {
      for (;;) {
        const found = await this.#ask();
        if (!(found instanceof BerthError)) {
          this.#leased += 1;
          return found;
        }
        this.#isHeld = true;
        await this.#pause(found);
      }
    } finally {
      if (this.#isHeld) this.#seconds += (performance.now() - begun) / 1000;
    }
  }

  /** A lease to send with, or why there is none yet. */
  async #ask(): Promise<HeldLease | BerthError> {
    try {
      const lease = await waitFor(this.leases.get(this.upstream), this.#left(), this.gone);
      return lease === 'late' || this.#tried.has(nameOf(lease)) ? notYet() : lease;
    } catch (error) {
      if (error instanceof BerthError && error.code === 'not-ready') return error;
      throw error;
    }
  }

  /** A pause that would go beyond the bound is not begun: whoever asks hears at once when to come again. */
  async #pause(reason: BerthError): Promise<void> {
    const seconds = Math.max(reason.retryAfterSeconds ?? 0, this.limits.notYetSeconds);
    if (seconds * 1000 > this.#left()) throw reason;
    await pause(seconds * 1000 * (1 + Math.random() * JITTER), this.gone);
  }

  /** Milliseconds until the bound. */
  #left(): number {
    return Math.max(0, this.#end - performance.now());
  }
}

function nameOf({ credentialId, generation }: HeldLease): string {
  return `${credentialId} ${generation}`;
}

/** Without a time of its own: it is asked again after the shortest pause. */
function notYet(): BerthError {
  return new BerthError(
    'not-ready',
    'Berth is renewing the credential of this workspace. Try again in a few seconds.',
  );
}

function enough(): BerthError {
  return new BerthError(
    'no-agent-credential',
    'Every credential that Berth has for this workspace was refused: "berth credentials explain" says why. Set or connect one anew.',
  );
}
