const SECOND_MS = 1000;
/** So long after its last refusal a caller has no burst. */
const SLOWED_MS = 2 * SECOND_MS;

interface Slowed {
  untilMs: number;
  /** When the next one is let in. */
  slotMs: number;
  refusals: number;
}

/**
 * Who asks for more than its limit is let in at the rate of the limit for a while, one after the other, where others may spend a second's requests in a burst. Else each second would
 * begin with a burst of whoever waited for it, in which everybody else is slow.
 *
 * Milliseconds are of any clock that only goes forward.
 */
export class Pace {
  readonly #slowed = new Map<string, Slowed>();

  /** Notes a refusal; milliseconds to hold it back beyond the end of the second, so that those who ask again at once do not all come in the same moment. */
  refuse(key: string, perSecond: number, nowMs: number): number {
    const { slotMs, refusals } = this.#slowed.get(key) ?? { slotMs: nowMs, refusals: 0 };
    this.#slowed.set(key, { untilMs: nowMs + SLOWED_MS, slotMs, refusals: refusals + 1 });
    return (refusals * (SECOND_MS / perSecond)) % SECOND_MS;
  }

  /** Milliseconds until this one may go in; null when a second's places are given away already. */
  enter(key: string, perSecond: number, nowMs: number): number | null {
    const slowed = this.#slowed.get(key);
    if (!slowed) return 0;
    if (slowed.untilMs <= nowMs) {
      this.#slowed.delete(key);
      return 0;
    }
    const slotMs = Math.max(slowed.slotMs, nowMs);
    if (slotMs - nowMs >= SECOND_MS) return null;
    slowed.slotMs = slotMs + SECOND_MS / perSecond;
    return slotMs - nowMs;
  }
}
