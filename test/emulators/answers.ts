import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';

/** Reads a whole body as text. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Sends the head and writes its status into the ledger. */
export function sendHead(
  { response, entry }: Exchange,
  status: number,
  headers: Record<string, string>,
): void {
  entry.status = status;
  response.writeHead(status, headers);
}

/** Sends a whole JSON answer. */
export function sendJson(
  exchange: Exchange,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  sendHead(exchange, status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  });
  exchange.response.end(exchange.request.method === 'HEAD' ? undefined : text);
}

/** Plays a failure before anything is done. False for those that the answer itself must play. */
export function playFailure(exchange: Exchange, failure: Failure, usualBody: unknown): boolean {
  switch (failure.mode) {
    case 'hang':
      return true;
    case 'cut-before-head':
      exchange.request.socket.resetAndDestroy();
      return true;
    case 'status':
      sendJson(exchange, failure.status, failure.body ?? usualBody, failure.headers);
      return true;
    case 'html':
      sendHead(exchange, failure.status, { 'content-type': 'text/html', ...failure.headers });
      exchange.response.end('<!doctype html><title>Just a moment...</title>\n');
      return true;
    case 'redirect':
      sendHead(exchange, 307, { location: '/elsewhere', ...failure.headers });
      exchange.response.end();
      return true;
    default:
      return false;
  }
}

/** Sends a head and half of a plain body, then closes the connection. */
export async function sendHalf(exchange: Exchange, contentType: string, text: string): Promise<void> {
  const whole = Buffer.from(text);
  sendHead(exchange, 200, { 'content-type': contentType, 'content-length': String(whole.length) });
  await writeOut(exchange.response, whole.subarray(0, Math.floor(whole.length / 2)));
  exchange.request.socket.destroy();
}

/** Writes and waits until the bytes have left the process, so that they arrive as a piece of their own. */
export function writeOut(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
