import { createHash } from 'node:crypto';

/** The id of the first sign of life for an ask: the same whoever gives it, the handler at once or the reply after it, so that it is given once. In the form that Linear wants (UUID, version 4). */
export function firstThoughtId(organizationId: string, askKey: string): string {
  const bytes = createHash('sha256')
    .update(`first-thought/${organizationId}/${askKey}`)
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
