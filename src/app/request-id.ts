import type { IncomingMessage } from 'node:http';

const ids = new WeakMap<object, string>();

/** Each request has an id that a person can quote and we can find in the log. Always ours: a caller's own would let them write into our log. */
export function giveRequestId(request: IncomingMessage, id: string): void {
  ids.set(request, id);
}

export function requestIdOf(request: IncomingMessage): string | undefined {
  return ids.get(request);
}
