import type { Seeded } from './seeded.js';

/** A request as text of latin1, one character per byte, so that any byte can stand in it. */
type Request = string;
type Mutation = (request: Request, seeded: Seeded) => Request;

const ODD_BYTES = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\t',
  ' ',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ',',
  ';',
  '\r\n\r\n',
  '\u0001',
];

const TARGETS = [
  ...['*', '/', '//', 'http://127.0.0.1:1/anthropic/v1/messages', '/anthropic/../openai/v1/responses'],
  ...[
    '/anthropic/%2e%2e/v1',
    '/anthropic/v1/organizations/me',
    '/anthropic/v1/messages/../../v1/files',
    '/\\x',
  ],
  ...[
    '/anthropic/v1/messages?beta=true',
    '/openai/v1/responses',
    '/git/example.com/a/b.git/info/refs',
    '/metrics',
  ],
  ...[
    '/internal/v1/proxy/lease',
    `/${'a'.repeat(9000)}`,
    '/anthropic/v1/messages#x',
    '/anthropic/v1/messages\0',
  ],
];

const METHODS = [
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'post',
  'M-SEARCH',
  'X',
  '',
];

/** Lines that decide how a request is read, or which credential goes with it. */
const LINES = [
  ...[
    'content-length: 0',
    'content-length: 5',
    'content-length: -1',
    'content-length: 1e3',
    'content-length: 5, 5',
  ],
  ...[
    'content-length: 99999999999999999999',
    'transfer-encoding: chunked',
    'transfer-encoding: gzip, chunked',
  ],
  ...[
    'transfer-encoding: identity',
    'transfer-encoding:\x0bchunked',
    'Transfer-Encoding : chunked',
    ' folded: x',
  ],
  ...[
    'connection: x-api-key, authorization',
    'connection: close',
    'connection: upgrade',
    'upgrade: websocket',
  ],
  ...['upgrade: h2c', 'http2-settings: AAMAAABk', 'expect: 100-continue', 'expect: 200-ok', 'te: trailers'],
  ...['host: 169.254.169.254', 'x-forwarded-host: evil', 'authorization: Bearer other', 'x-api-key: other'],
  ...['proxy-authorization: Basic eDp5', 'cookie: a=b', 'content-encoding: gzip', 'accept-encoding: br;q=x'],
  ...[
    'anthropic-beta: a\x80b',
    `x-large: ${'b'.repeat(20_000)}`,
    'x-echo: \xff\xfe',
    ': no name',
    'no colon',
  ],
];

const CHUNKS = [
  ...[
    '0\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;x=y\r\nhello\r\n0\r\n\r\n',
    'FFFFFFFFFFFFFFFF\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
  ],
  ...[
    '-1\r\n',
    '5\nhello\n0\n\n',
    '3\r\nhello\r\n0\r\n\r\n',
    '0\r\nx-api-key: trailer\r\n\r\n',
    '\r\n',
    'g\r\n',
  ],
  'GET /anthropic/v1/organizations HTTP/1.1\r\nhost: x\r\n\r\n',
];

const at = (request: Request, seeded: Seeded): number => seeded.below(request.length + 1);

const headEnd = (request: Request): number => {
  const end = request.indexOf('\r\n\r\n');
  return end < 0 ? request.length : end;
};

const mutations: Mutation[] = [
  // Bytes.
  (request, seeded) => {
    const place = at(request, seeded);
    return request.slice(0, place) + String.fromCharCode(seeded.below(256)) + request.slice(place + 1);
  },
  (request, seeded) => {
    const place = at(request, seeded);
    return request.slice(0, place) + seeded.of(ODD_BYTES) + request.slice(place);
  },
  // Pieces: left out, or there twice.
  (request, seeded) => {
    const place = at(request, seeded);
    return request.slice(0, place) + request.slice(place + 1 + seeded.below(40));
  },
  (request, seeded) => {
    const place = at(request, seeded);
    const piece = request.slice(place, place + 1 + seeded.below(200));
    return request.slice(0, place) + piece + request.slice(place);
  },
  // The request line.
  (request, seeded) => request.replace(/^\S* /, () => `${seeded.of(METHODS)} `),
  (request, seeded) =>
    request.replace(/^(\S*) \S+/, (_, method: string) => `${method} ${seeded.of(TARGETS)}`),
  (request, seeded) =>
    request.replace(/HTTP\/1\.1/, () =>
      seeded.of(['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.10', 'http/1.1', '']),
    ),
  // Header lines, before the others and after them.
  (request, seeded) => request.replace('\r\n', () => `\r\n${seeded.of(LINES)}\r\n`),
  (request, seeded) => {
    const end = headEnd(request);
    return `${request.slice(0, end)}\r\n${seeded.of(LINES)}${request.slice(end)}`;
  },
  // The body.
  (request, seeded) => request.slice(0, headEnd(request) + 4) + seeded.of(CHUNKS),
  // Another request right behind, and an end where none should be.
  (request) => request + request,
  (request, seeded) => request.slice(0, at(request, seeded)),
];

const MOST = 4;

/** A request made wrong in one to four ways, chosen by the seed. */
export function malformed(valid: Request, seeded: Seeded): Request {
  let request = valid;
  for (let left = 1 + seeded.below(MOST); left > 0; left -= 1)
    request = seeded.of(mutations)(request, seeded);
  return request;
}
