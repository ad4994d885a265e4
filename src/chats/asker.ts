/** Who asked in a workspace, by its turns. Null: nobody, or who wrote it is no person of Berth. */
export interface Askers {
  /** A turn is under way. */
  underWay: boolean;
  /** Who wrote the turn under way, or else the one that was begun last. */
  current: string | null;
  /** Who wrote the next one in the queue, while none is under way. */
  next: string | null;
}

/**
 * For whom a workspace may be given credentials now: whoever wrote the turn under way; between two turns still whoever wrote the last, since its agent may have a word left to
 * say. Null between turns of two persons: what one of them may use must have gone before the other's turn begins. The owner, where nobody has asked yet.
 */
export function servedFor({ underWay, current, next }: Askers, ownerId: string): string | null {
  const asker = current ?? ownerId;
  return underWay || next === null || next === asker ? asker : null;
}
