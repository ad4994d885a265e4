import type { Clock } from '../../src/kernel/index.js';
import type { FailureRule } from './failures.js';
import type { LedgerEntry } from './ledger.js';
import type { Logins } from './logins.js';

/** What every emulator takes. */
export interface EmulatorOptions {
  /** Loopback port; default: any free one. */
  port?: number;
  /** Accept any credential that contains this text, as `npm run emulators` does with `emulator`. */
  acceptContaining?: string;
  clock?: Clock;
}

/** What every emulator offers to a test. */
export interface Emulator {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly url: string;
  /** All requests since the start or the last `reset()`, in order of arrival. */
  readonly requests: readonly LedgerEntry[];
  /** Plays a failure for the next fitting requests. Throws ZodError for a rule that makes no sense. */
  fail(rule: FailureRule): void;
  /** Makes a credential known. */
  accept(credential: string): void;
  /** Makes a credential unknown from now on, also one that `acceptContaining` would take. */
  revoke(credential: string): void;
  /** Lets `count` (default 1) pieces of slow answers pass. Only a model has some. */
  release(count?: number): void;
  /** Forgets the ledger, the failures and unused releases; known credentials stay. */
  reset(): void;
  /** Stops, and drops every connection that is still open (hangs too). */
  close(): Promise<void>;
}

/** What a model's emulator takes besides. */
export interface ModelEmulatorOptions extends EmulatorOptions {
  /** Send the pieces of a slow answer at this distance instead of waiting for `release()`; for people, not for tests. */
  pieceDelayMilliseconds?: number;
  /** Answer streams with gzip when the client takes it, as the real APIs do. Default: plain. */
  compress?: boolean;
}

/** What a model's emulator offers besides. */
export interface ModelEmulator extends Emulator {
  /** Its logins: the model takes their living access tokens too. */
  readonly logins: Logins;
  /** How many slow answers wait for `release()` now. */
  readonly waiting: number;
}
