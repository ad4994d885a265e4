import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LedgerEntry } from './ledger.js';

/** One request under way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly entry: LedgerEntry;
  /** Aborts when the client has gone or the emulator closes. */
  readonly signal: AbortSignal;
}
