import type { IncomingMessage, ServerResponse } from 'node:http';
import { objectionTo } from '../http/index.js';
import { noteBody } from './idempotency/fingerprint.js';

/** Looks at a body as bytes, before it is parsed; throws what problem.ts answers with a 4xx. To be given to body-parser. */
export function examineBody(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  charset: string,
): void {
  const objection = objectionTo(bytes, charset);
  // An error of body-parser's form: it writes a status of its own onto whatever is thrown here.
  if (objection) throw Object.assign(new Error(objection), { type: objection });
  noteBody(request, response, bytes);
}
