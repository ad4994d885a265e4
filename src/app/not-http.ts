import { STATUS_CODES } from 'node:http';
import { BerthError, type ErrorCode } from '../kernel/index.js';
import { writtenProblem } from './problem.js';

/** What Node's parser of HTTP gives up on, by its code; anything else is no HTTP. */
const causes: Partial<Record<string, [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [
    'headers-too-large',
    'Address and headers together are larger than 16 KiB, the limit of this server.',
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['payload-too-large', 'The extensions of a chunk are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The request took too long to arrive. Send it again.'],
};
const noHttp: [ErrorCode, string] = ['bad-request', 'This could not be read as a request of HTTP/1.1.'];

/** The whole answer, to be written to the connection as it is, to what never became a request: a problem, like any other refusal. */
export function answerToNoHttp({ code = '' }: { code?: string }): string {
  const [ours, message] = causes[code] ?? noHttp;
  const { status, headers, body } = writtenProblem(new BerthError(ours, message), undefined);
  const all = { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}
