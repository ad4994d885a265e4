import { MAX_EVENTS } from '../contracts/index.js';
import type { WorkspaceEvent } from '../events/index.js';

/** Two looks that are fewer events apart share a read. Small against `MAX_EVENTS`: who is behind costs the others little, and who is far behind reads alone and keeps nobody waiting. */
const SPAN = 100;

/** What a look found. */
export interface Found {
  events: WorkspaceEvent[];
  /** There may be more after these. */
  more: boolean;
}

/** Which looks share a read, by the number after which they look. */
export function spanOf(after: number): number {
  return Math.floor(after / SPAN);
}

/** What each look gets of the events (ascending, without gaps, at most `MAX_EVENTS`) that were read for all of one span, from the lowest number on. Who looked after the same number shares the list. */
export function shareOut(afters: readonly number[], events: WorkspaceEvent[]): Found[] {
  const more = events.length >= MAX_EVENTS;
  const shares = new Map<number, Found>();
  return afters.map((after) => {
    const known = shares.get(after);
    if (known) return known;
    const found = { events: events.filter(({ seq }) => seq > after), more };
    shares.set(after, found);
    return found;
  });
}
