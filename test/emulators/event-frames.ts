import { crc32 } from 'node:zlib';
import type { StreamEvent, StreamFormat } from './sse.js';

/** AWS's event stream, written by hand: what reads it in the product is held against this. */

const STRING = 7;

/** One message: lengths, their checksum, headers, payload, and the checksum of all that. */
export function eventFrame(headers: Record<string, string>, payload: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const body = Buffer.from(payload);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(head.length + body.length + 16, 0);
  prelude.writeUInt32BE(head.length, 4);
  const whole = Buffer.concat([prelude, checksum(prelude), head, body]);
  return Buffer.concat([whole, checksum(whole)]);
}

/** An event of the model's. The padding is AWS's own; it hides how long the text is. */
export function chunkFrame(event: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(event)).toString('base64');
  return eventFrame(
    { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' },
    JSON.stringify({ bytes, p: 'abcdefgh' }),
  );
}

/** An exception in the middle of a stream, as in `throttlingException`. */
export function exceptionFrame(type: string, message: string): Buffer {
  return eventFrame(
    { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' },
    JSON.stringify({ message }),
  );
}

/** An event named `exception` is told as one. */
export const awsEventStream: StreamFormat = {
  contentType: 'application/vnd.amazon.eventstream',
  bytes: ({ event, data }: StreamEvent) => {
    if (event !== 'exception') return chunkFrame(data);
    const { type = 'internalServerException', message = '' } = data as { type?: string; message?: string };
    return exceptionFrame(type, message);
  },
};

function header(name: string, value: string): Buffer {
  const key = Buffer.from(name);
  const text = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length, 0);
  return Buffer.concat([Buffer.from([key.length]), key, Buffer.from([STRING]), length, text]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes), 0);
  return sum;
}
