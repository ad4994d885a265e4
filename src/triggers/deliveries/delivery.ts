import { isConflict, isUnavailable } from '../../database/index.js';
import { BerthError } from '../../kernel/index.js';

/**
 * received -> processing -> processed
 *    ^            |-> received (to be tried again) -> …
 *    |            '-> failed
 *    '-- failed, and delivered again
 */
export const deliveryStates = ['received', 'processing', 'processed', 'failed'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** What a handler says became of a delivery: a short name in kebab-case, `ignored-…` for what does nothing. */
export interface Handled {
  outcome: string;
  workspaceId?: string;
}

/** A claim that is older may be another's: a worker that died gives its job to the next after 8 to 14 s, and nobody works at one for longer without its job running out. */
export const CLAIM_SECONDS = 5;
/** One that waits for so long is asked for by the sweep: its job may be lost, and where it only waits its turn an equal one adds nothing. */
export const LOST_SECONDS = 5;
/** As long as one attempt may take at most, and a little (catalog.ts). */
export const STALE_SECONDS = 150;
/** An outage of a day is survived. */
const GIVE_UP_MS = 24 * 3600 * 1000;

/** What becomes of a delivery whose handler threw. Only what says that it may pass, or what stood in the way of another transaction, is worth another try. `since`: when it came, or was to be handled once more. */
export function afterFailure(error: unknown, since: Date, now: Date): 'received' | 'failed' {
  const mayPass =
    isUnavailable(error) ||
    isConflict(error) ||
    (error instanceof BerthError && error.retryAfterSeconds !== undefined);
  return mayPass && now.getTime() - since.getTime() < GIVE_UP_MS ? 'received' : 'failed';
}
