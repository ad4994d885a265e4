import { crc32 } from 'node:zlib';
import { EventStreamCodec } from '@smithy/core/event-streams';
import { field, jsonOf } from '../../json.js';
import { exceptionText } from './errors.js';

/** AWS allows 16 MB of payload and 128 KB of headers in one message. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + 128 * 1024;
/** Two lengths, two checksums. */
const MIN_MESSAGE_BYTES = 16;
/** The lengths, and after them the checksum of both. */
const LENGTHS_BYTES = 8;
const PRELUDE_BYTES = 12;

/** What only Bedrock adds to Anthropic's events. */
const OWN_FIELD = 'amazon-bedrock-';

/** Of an event. It stands on a line of its own. */
const NAME = /^[a-z_]+$/;

type Message = ReturnType<EventStreamCodec['decode']>;

/** Turns AWS's event stream into server-sent events of the Messages API, whole message by whole message (providers.md 5.1). */
export class EventStreamTranslation {
  readonly #codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
    (text) => Buffer.from(text, 'utf8'),
  );
  /** What has come of a message that is not whole yet. */
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(private readonly secrets: readonly string[]) {}

  /** True between messages: only there may a stream end. */
  get isWhole(): boolean {
    return this.#size === 0;
  }

  /** The events that these bytes complete, perhaps none. Throws for bytes that are no such stream, or damaged: each message carries two checksums. */
  push(chunk: Buffer): string {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    let events = '';
    for (let message = this.#take(); message; message = this.#take()) events += this.#eventOf(message);
    return events;
  }

  #take(): Message | null {
    const length = this.#announced();
    if (length === null || this.#size < length) return null;
    const bytes = this.#joined();
    const rest = bytes.subarray(length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    return this.#codec.decode(bytes.subarray(0, length));
  }

  /** The length of the message that has begun, once it is known. Its checksum is looked at now: a damaged one could have us wait for megabytes that never come. */
  #announced(): number | null {
    if (this.#size < PRELUDE_BYTES) return null;
    const [first] = this.#chunks;
    const begin = first && first.length >= PRELUDE_BYTES ? first : this.#joined();
    const length = begin.readUInt32BE(0);
    const isSound = crc32(begin.subarray(0, LENGTHS_BYTES)) === begin.readUInt32BE(LENGTHS_BYTES);
    if (!isSound || length < MIN_MESSAGE_BYTES || length > MAX_MESSAGE_BYTES)
      throw new Error('This is no event stream.');
    return length;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first) return first;
    const whole = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [whole];
    return whole;
  }

  #eventOf({ headers, body }: Message): string {
    const text = Buffer.from(body).toString('utf8');
    const type = headers[':message-type']?.value;
    if (type === 'exception') return failure(exceptionText(text, this.secrets));
    if (type === 'error') {
      const message = String(headers[':error-message']?.value ?? '');
      return failure(exceptionText(JSON.stringify({ message }), this.secrets));
    }
    if (headers[':event-type']?.value !== 'chunk') return '';
    return chunkEvent(text);
  }
}

function chunkEvent(payload: string): string {
  const encoded = field(jsonOf(payload), 'bytes');
  const event = typeof encoded === 'string' ? jsonOf(Buffer.from(encoded, 'base64')) : null;
  const type = field(event, 'type');
  if (typeof type !== 'string' || !NAME.test(type)) throw new Error('This is no event of the Messages API.');
  const told = Object.entries(event as object).filter(([name]) => !name.startsWith(OWN_FIELD));
  return sse(type, Object.fromEntries(told));
}

function failure(message: string): string {
  return sse('error', { type: 'error', error: { type: 'api_error', message } });
}

function sse(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
