import { StringDecoder } from 'node:string_decoder';
import zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { Legible, UsageReader } from './upstreams/adapter.js';
import { headerOf, type HeaderList } from './headers.js';
import { jsonOf } from './json.js';
import type { Tap } from './upstream-call.js';

/** The largest single SSE event or JSON answer that is read for its usage; OpenAI's last event repeats the whole answer. */
const MAX_PIECE = 8 * 1024 * 1024;
/** Lines outside the SSE grammar after which an answer is not followed any more. */
const MAX_ODDITIES = 100;
/** Compressed bytes that may wait for the decoder before the meter gives up instead of holding more. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

/** Reads the usage of one answer from a copy of its bytes. */
export class Meter implements Tap {
  #text: TextSink | null;
  #decoder: Transform | null = null;
  #failed = false;
  #ended = false;
  #told = false;

  /** `done` is called once, after the last byte was read; `readable` is false when the answer could not be followed to its end. `legible`: for streams of another kind than server-sent events. */
  constructor(
    headers: HeaderList,
    reader: UsageReader,
    private readonly done: (readable: boolean) => void,
    legible?: Legible,
  ) {
    this.#text = sinkFor(headerOf(headers, 'content-type') ?? '', reader, legible);
    const encoding = (headerOf(headers, 'content-encoding') ?? 'identity').trim().toLowerCase();
    if (encoding === 'identity' || this.#text === null) return;
    this.#decoder = decoderFor(encoding);
    if (this.#decoder) this.#listen(this.#decoder);
    else this.#giveUp();
  }

  data(chunk: Buffer): void {
    if (this.#text === null) return;
    if (!this.#decoder) {
      this.#read(chunk);
      return;
    }
    this.#decoder.write(chunk);
    if (this.#decoder.writableLength > MAX_BACKLOG_BYTES) this.#giveUp();
  }

  end(): void {
    this.#ended = true;
    if (this.#decoder) this.#decoder.end();
    else this.#finish();
  }

  #listen(decoder: Transform): void {
    decoder.on('data', (chunk: Buffer) => this.#read(chunk));
    decoder.once('end', () => this.#finish());
    decoder.on('error', () => this.#giveUp());
  }

  #read(chunk: Buffer): void {
    try {
      this.#text?.write(chunk);
    } catch {
      this.#giveUp();
    }
  }

  #giveUp(): void {
    this.#failed = true;
    this.#text = null;
    const decoder = this.#decoder;
    this.#decoder = null;
    decoder
      ?.removeAllListeners()
      .on('error', () => undefined)
      .destroy();
    if (this.#ended) this.#finish();
  }

  #finish(): void {
    try {
      this.#text?.end();
    } catch {
      this.#failed = true;
    }
    this.#text = null;
    if (this.#told) return;
    this.#told = true;
    this.done(!this.#failed);
  }
}

interface TextSink {
  write(chunk: Buffer): void;
  end(): void;
}

function sinkFor(contentType: string, reader: UsageReader, legible: Legible | undefined): TextSink | null {
  if (legible && contentType.startsWith('application/vnd.amazon.eventstream'))
    return new LegibleSink(legible(), new EventSink(reader));
  if (contentType.startsWith('text/event-stream')) return new EventSink(reader);
  if (contentType.startsWith('application/json')) return new JsonSink(reader);
  return null;
}

class EventSink implements TextSink {
  readonly #text = new StringDecoder('utf8');
  readonly #parser: EventSourceParser;

  #oddities = 0;

  constructor(reader: UsageReader) {
    this.#parser = createParser({
      onEvent: ({ event, data }) => reader.event(event ?? 'message', data),
      // Thrown through `feed` to the meter, which gives up. Garbage costs the parser 20 times the work of a real stream.
      onError: (error) => {
        this.#oddities += 1;
        if (error.type === 'max-buffer-size-exceeded' || this.#oddities > MAX_ODDITIES) throw error;
      },
      maxBufferSize: MAX_PIECE,
    });
  }

  write(chunk: Buffer): void {
    this.#parser.feed(this.#text.write(chunk));
  }

  end(): void {
    // An event without its empty line at the end was cut off and does not count.
  }
}

class LegibleSink implements TextSink {
  constructor(
    private readonly events: (chunk: Buffer) => string,
    private readonly inner: EventSink,
  ) {}

  write(chunk: Buffer): void {
    this.inner.write(Buffer.from(this.events(chunk)));
  }

  end(): void {
    this.inner.end();
  }
}

class JsonSink implements TextSink {
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(private readonly reader: UsageReader) {}

  write(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > MAX_PIECE) throw new Error('The answer is too large to be read for its usage.');
    this.#chunks.push(chunk);
  }

  end(): void {
    const body = jsonOf(Buffer.concat(this.#chunks, this.#size));
    this.#chunks = [];
    if (body !== null) this.reader.json(body);
  }
}

/** A decoder that gives what it has when the stream is cut; null for codings this Node cannot read (zstd before Node 22.15). */
function decoderFor(encoding: string): Transform | null {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = zlib.constants;
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.createGunzip({ finishFlush: Z_SYNC_FLUSH });
  if (encoding === 'deflate') return zlib.createInflate({ finishFlush: Z_SYNC_FLUSH });
  if (encoding === 'br') return zlib.createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH });
  const zstd = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress;
  return encoding === 'zstd' && zstd ? zstd() : null;
}

/** Decodes a small, whole body (an error answer); null when it cannot be read or is larger than `maxBytes`. */
export function decodeSmall(body: Buffer, encoding: string | undefined, maxBytes: number): Buffer | null {
  const options = { maxOutputLength: maxBytes };
  try {
    switch (encoding?.trim().toLowerCase() ?? 'identity') {
      case 'identity':
        return body;
      case 'gzip':
      case 'x-gzip':
        return zlib.gunzipSync(body, options);
      case 'deflate':
        return zlib.inflateSync(body, options);
      case 'br':
        return zlib.brotliDecompressSync(body, options);
      default:
        return null;
    }
  } catch {
    return null;
  }
}
