import type { Readable } from 'node:stream';

/** A JSON object whose fields are not known to be there. */
export type Fields = Record<string, unknown>;

/** The value as an object; anything else is an empty one, so that reading on is safe. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The value as a list of objects. */
export function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

/** The value as text; anything else is empty. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The value as a number, or null. */
export function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

/** A line longer than this is dropped unread: agents put whole files into one line, but not this much. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;

function parse(line: string): Fields | null {
  try {
    return fields(JSON.parse(line));
  } catch {
    // Agents print a warning or a stray line now and then; it is no event.
    return null;
  }
}

/** Reads one JSON object a line. Lines that are none are skipped. */
export async function* jsonLines(stream: Readable): AsyncGenerator<Fields> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const whole =
        length <= MAX_LINE_BYTES ? Buffer.concat([...chunks, rest.subarray(0, end)]).toString('utf8') : '';
      chunks = [];
      length = 0;
      rest = rest.subarray(end + 1);
      const value = parse(whole);
      if (value !== null) yield value;
    }
    length += rest.length;
    if (length > MAX_LINE_BYTES) chunks = [];
    else chunks.push(rest);
  }
}

/** Reads a stream to its end and keeps the last part, for the log. */
export async function tail(stream: Readable, characters = 2000): Promise<string> {
  let kept = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream as AsyncIterable<string>) kept = (kept + chunk).slice(-characters);
  return kept;
}
