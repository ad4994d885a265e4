import { isUtf8 } from 'node:buffer';

/** No body that Berth takes is nested more than some levels deep. Named in the answer to whoever exceeds it (src/app/problem.ts). */
const MAX_NESTING = 64;

/** What is wrong with bytes that should be JSON. Names that src/app/problem.ts knows, beside those of body-parser. */
export type Objection = 'charset.unsupported' | 'body.not-utf-8' | 'body.too-deep';

/**
 * JSON is UTF-8 (RFC 8259, 8.1). Decoded leniently, other bytes would become letters that nobody wrote; and body-parser would take UTF-16 and UTF-7, in which a gateway in front of
 * us reads something else.
 */
export function objectionTo(bytes: Uint8Array, charset: string): Objection | null {
  if (charset !== 'utf-8') return 'charset.unsupported';
  if (!isUtf8(bytes)) return 'body.not-utf-8';
  return isNestedDeeper(bytes, MAX_NESTING) ? 'body.too-deep' : null;
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Whether more brackets than `most` are open at any place, texts left out. Whatever reads a body later may then call itself once per level. */
function isNestedDeeper(bytes: Uint8Array, most: number): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) isText = !isText;
    else if (isText) at += byte === BACKSLASH ? 1 : 0;
    else if (CLOSING.has(byte)) depth -= 1;
    else if (OPENING.has(byte) && ++depth > most) return true;
  }
  return false;
}
