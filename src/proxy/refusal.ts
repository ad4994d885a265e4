import type { IncomingMessage, ServerResponse } from 'node:http';

/** An answer that the proxy makes itself. */
export interface Refusal {
  status: number;
  /** For people (and agents): what happened and what to do next. */
  message: string;
  /** A stable word for programs; `no_agent_credential`. */
  code?: string;
  retryAfterSeconds?: number;
  /** False: asking again cannot help, and Claude Code is told so by `x-should-retry` (agents.md section 3). */
  shouldRetry?: boolean;
}

/** Writes a refusal in the shape of the provider that the client believes to talk to. */
export type RefusalFormat = (refusal: Refusal, requestId: string) => { contentType: string; body: string };

/** For targets that belong to no provider. */
export const plainFormat: RefusalFormat = (refusal) => ({
  contentType: 'application/json',
  body: JSON.stringify({ error: { message: refusal.message } }),
});

/** For git, which prints the lines of a text/plain answer as `remote: …`. */
export const textFormat: RefusalFormat = (refusal) => ({
  contentType: 'text/plain; charset=utf-8',
  body: `${refusal.message}\n`,
});

/** How long a refused request may go on sending its body before its connection is cut. */
const DRAIN_MILLISECONDS = 10_000;

/**
 * Answers with a refusal. The rest of the request's body is read and dropped, since a connection cut while the client still writes can lose it the
 * answer; a client that does not come to an end is cut after 10 s.
 */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  format: RefusalFormat,
  refusal: Refusal,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) return;
  const { contentType, body } = format(refusal, requestId);
  response.setHeader('content-type', contentType);
  response.setHeader('content-length', Buffer.byteLength(body));
  if (refusal.retryAfterSeconds !== undefined) {
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(refusal.retryAfterSeconds))));
  }
  if (refusal.shouldRetry !== undefined) response.setHeader('x-should-retry', String(refusal.shouldRetry));
  response.statusCode = refusal.status;
  response.end(body);
  drain(request);
}

/** Reads what is left of an answered request's body and drops it; cuts the connection when that does not end in 10 s. */
export function drain(request: IncomingMessage): void {
  if (request.complete) return;
  const { socket } = request;
  const timer = setTimeout(() => request.destroy(), DRAIN_MILLISECONDS);
  timer.unref();
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('close', stop);
  };
  // The socket's own end is watched too: a request whose answer has gone out is not told of it.
  socket.once('close', stop);
  request.once('end', stop).resume();
}
