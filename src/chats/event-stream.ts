import type { EventView } from '../contracts/index.js';
import type { WorkspaceEvent } from '../events/index.js';

/** One event in the form of server-sent events (WHATWG HTML, section 9.2): `id` is the number a reader resumes after. JSON holds no line break. */
export function eventFrame(event: WorkspaceEvent): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event))}\n\n`;
}

/** A comment, for a look that found nothing: each stream has one now and then. Keeps proxies from closing a silent stream, and tells us when the reader is gone. */
export const KEEP_ALIVE_FRAME = ': still here\n\n';

export function eventView({ seq, at, type, data }: WorkspaceEvent): EventView {
  return { seq, at: at.toISOString(), type, data };
}

/** The number to resume after: `Last-Event-ID` as a browser sends it on its own, else `?after=`, else from the start. Null: not a number. */
export function resumeAfter(lastEventId: string | undefined, after: number | undefined): number | null {
  if (lastEventId === undefined || lastEventId === '') return after ?? 0;
  return /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : null;
}
