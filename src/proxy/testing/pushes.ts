/** A pkt-line (gitprotocol-common(5)). */
export function packet(content: string): string {
  return (Buffer.byteLength(content) + 4).toString(16).padStart(4, '0') + content;
}

export const ZERO = '0'.repeat(40);
export const ONE = '1'.repeat(40);

/** The first line of a push, which says what the client can do. */
export function command(ref: string, next = ONE, capabilities = 'report-status side-band-64k'): string {
  return packet(`${ZERO} ${next} ${ref}\0 ${capabilities}`);
}

/** A push that makes `ref`, with a pack of which only the beginning is one. */
export function pushOf(ref: string, pack: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(`${command(ref)}0000PACK`), pack]);
}
