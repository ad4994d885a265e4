/** What the first bytes of a client say: not all of them are there; they are no TLS; or they ask for this server (null: for none). */
export type Hello = { kind: 'partial' } | { kind: 'not-tls' } | { kind: 'hello'; serverName: string | null };

const HANDSHAKE_RECORD = 0x16;
const CLIENT_HELLO = 1;
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;
const MAX_RECORD = 2 ** 14;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** Far more than any client sends; also how much of a client is held before it is known what it is. */
export const MAX_HELLO_BYTES = 20_000;
/** In so many pieces it comes at most; each is a look at all of it. */
export const MAX_HELLO_PIECES = 100;

/**
 * Reads a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3) for the server's name. The message may come in several records. What is malformed, or names two servers, is
 * no TLS here: some server might read another name than we do.
 */
export function readClientHello(bytes: Buffer): Hello {
  const pieces: Buffer[] = [];
  for (let at = 0, have = 0; ;) {
    const record = recordAt(bytes, at);
    if ('kind' in record) return record;
    const piece = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + record.length);
    pieces.push(piece);
    have += piece.length;
    at += RECORD_HEAD + record.length;
    // Put together once: a client that sends a byte per record must not make us copy all of them for each.
    const isWhole = piece.length === record.length;
    if (!isWhole || have >= MESSAGE_HEAD) {
      const wanted = messageLength(pieces, have);
      if (wanted === null) return { kind: 'not-tls' };
      if (have >= wanted) return readMessage(Buffer.concat(pieces, have).subarray(0, wanted));
    }
    if (!isWhole) return { kind: 'partial' };
  }
}

/** The record that begins here; or what is known when its head is no record's, or not all there. */
function recordAt(bytes: Buffer, at: number): { length: number } | { kind: 'partial' | 'not-tls' } {
  if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return { kind: 'not-tls' };
  if (bytes.length > at + 1 && bytes[at + 1] !== 3) return { kind: 'not-tls' };
  if (bytes.length < at + RECORD_HEAD) return { kind: 'partial' };
  const length = bytes.readUInt16BE(at + 3);
  return length === 0 || length > MAX_RECORD ? { kind: 'not-tls' } : { length };
}

/** How long the message with its head is, as far as that can be told yet; null when it is no ClientHello. */
function messageLength(pieces: Buffer[], have: number): number | null {
  const head = Buffer.concat(pieces.slice(0, MESSAGE_HEAD), Math.min(have, MESSAGE_HEAD));
  if (head.length > 0 && head[0] !== CLIENT_HELLO) return null;
  if (head.length < MESSAGE_HEAD) return MESSAGE_HEAD;
  const length = MESSAGE_HEAD + head.readUIntBE(1, 3);
  return length > MAX_HELLO_BYTES ? null : length;
}

function readMessage(message: Buffer): Hello {
  try {
    return { kind: 'hello', serverName: serverNameOf(message.subarray(MESSAGE_HEAD)) };
  } catch {
    return { kind: 'not-tls' };
  }
}

/** Throws where the bytes are none of a ClientHello. */
function serverNameOf(body: Buffer): string | null {
  const hello = new Reader(body);
  hello.take(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  const extensions = new Reader(hello.isAtEnd ? Buffer.alloc(0) : hello.vector(2));
  let name: string | null = null;
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (type !== SERVER_NAME) continue;
    if (name !== null) throw new Error('two lists of server names');
    const names = new Reader(new Reader(data).vector(2));
    if (names.number(1) !== HOST_NAME) throw new Error('not the name of a host');
    name = names.vector(2).toString('latin1');
    if (!names.isAtEnd) throw new Error('two names of servers');
  }
  return name;
}

/** Takes bytes off the front; throws when there are not enough. */
class Reader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  get isAtEnd(): boolean {
    return this.#at === this.bytes.length;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.bytes.length) throw new Error('too short');
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  number(width: number): number {
    return this.take(width).readUIntBE(0, width);
  }

  /** Bytes behind a length of so many bytes. */
  vector(width: number): Buffer {
    return this.take(this.number(width));
  }
}
