import { connect, type Socket } from 'node:net';

/** Several lines of one name, and (null) none, also of those that a request usually has. */
export type RawHeaders = Record<string, string | string[] | null>;

/** A request as bytes, for what no HTTP client would send. */
export function rawRequest(
  { method, path, headers }: { method: string; path: string; headers: RawHeaders },
  body: Buffer | string = '',
): Buffer {
  const bytes = Buffer.from(body);
  const usual = { host: 'berth', connection: 'close', 'content-length': String(bytes.length) };
  const all: RawHeaders = { ...usual, ...headers };
  const lines = Object.entries(all).flatMap(([name, values]) =>
    (values === null ? [] : [values].flat()).map((value) => `${name}: ${value}\r\n`),
  );
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), bytes]);
}

/** Longer than the server itself waits for any part of a request that these tests send. */
const ANSWER_SECONDS = 60;

/** Where the client hangs up: after so many bytes of its request, or after so many of the answer. */
export type Cut = { request: number } | { answer: number } | null;

export interface RawAnswer {
  status: number;
  headers: string;
  body: string;
}

/** Sends bytes and reads until the server ends the connection. Null when the client hung up before, or the server did without an answer. */
export async function exchange(url: string, bytes: Buffer, cut: Cut = null): Promise<RawAnswer | null> {
  const read = await new Promise<Buffer>((resolve, reject) => {
    const socket = open(url);
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (): void => {
      socket.destroy();
      resolve(cut ? Buffer.alloc(0) : Buffer.concat(chunks));
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      if (cut && 'answer' in cut && length >= cut.answer) end();
    });
    socket.on('end', end);
    socket.setTimeout(ANSWER_SECONDS * 1000, () => socket.destroy(new Error('The server keeps quiet.')));
    // A server that refuses the rest of a body may reset the connection after its answer.
    socket.on('error', (error: NodeJS.ErrnoException) =>
      ['ECONNRESET', 'EPIPE'].includes(error.code ?? '') ? end() : reject(error),
    );
    socket.on('connect', () => {
      if (cut && 'request' in cut) socket.write(bytes.subarray(0, cut.request), end);
      else socket.write(bytes, () => cut && 'answer' in cut && cut.answer === 0 && end());
    });
  });
  return parse(read.toString());
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname);
}

function parse(text: string): RawAnswer | null {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  const end = text.indexOf('\r\n\r\n');
  if (status === undefined || end < 0) return null;
  return { status: Number(status), headers: text.slice(0, end).toLowerCase(), body: text.slice(end + 4) };
}
