import { constants, createGzip } from 'node:zlib';
import { setImmediate as nextTick } from 'node:timers/promises';
import { sendHead, writeOut } from './answers.js';
import type { Exchange } from './exchange.js';

/** One server-sent event: its name and its JSON. */
export interface StreamEvent {
  event: string;
  data: object;
}

/** How events go on the wire. */
export interface StreamFormat {
  contentType: string;
  bytes(event: StreamEvent): Buffer;
}

const serverSentEvents: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  bytes: ({ event, data }) => Buffer.from(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
};

export interface StreamOptions {
  /** Server-sent events by default. */
  format?: StreamFormat;
  headers: Record<string, string>;
  /** Close the connection after so many events; null sends all. */
  cutAfter: number | null;
  /** Send gzip when the client takes it, as the real providers do. */
  compress: boolean;
}

/**
 * Streams events. Each event leaves in two pieces whose border lies inside it, since real streams break anywhere and a reader that
 * expects whole events per piece must fail here and not in production.
 */
export async function sendStream(
  exchange: Exchange,
  events: AsyncIterable<StreamEvent>,
  options: StreamOptions,
): Promise<void> {
  const { response, request } = exchange;
  const { format = serverSentEvents } = options;
  const gzip = options.compress && (request.headers['accept-encoding'] ?? '').includes('gzip');
  sendHead(exchange, 200, {
    'content-type': format.contentType,
    'cache-control': 'no-cache',
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    ...options.headers,
  });
  response.flushHeaders();
  const encode = gzip ? gzipEncoder() : plainEncoder;
  let sent = 0;
  for await (const event of events) {
    if (sent === options.cutAfter) {
      request.socket.destroy();
      return;
    }
    if (exchange.signal.aborted) return;
    const bytes = await encode(format.bytes(event));
    const middle = Math.floor(bytes.length / 2);
    await writeOut(response, bytes.subarray(0, middle));
    await nextTick();
    await writeOut(response, bytes.subarray(middle));
    sent += 1;
  }
  response.end(await encode(null));
}

type Encoder = (bytes: Buffer | null) => Promise<Buffer>;

const plainEncoder: Encoder = (bytes) => Promise.resolve(bytes ?? Buffer.alloc(0));

/** Compresses piece by piece, each flushed so that the reader gets it at once; null ends the stream. */
function gzipEncoder(): Encoder {
  const gzip = createGzip();
  let out: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => out.push(chunk));
  return (bytes) =>
    new Promise((resolve, reject) => {
      gzip.once('error', reject);
      const done = (): void => {
        gzip.removeListener('error', reject);
        const all = Buffer.concat(out);
        out = [];
        resolve(all);
      };
      if (bytes === null) gzip.once('end', done).end();
      else {
        gzip.write(bytes);
        gzip.flush(constants.Z_SYNC_FLUSH, done);
      }
    });
}
