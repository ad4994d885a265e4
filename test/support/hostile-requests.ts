import { randomBytes } from 'node:crypto';
import { takesKey } from '../../src/app/idempotency/key.js';
import type { ValidRequest } from './every-request.js';
import { unreadableBodies, wrongBodies, type BodyMaker } from './hostile-bodies.js';
import { rawRequest, type RawHeaders } from './raw-http.js';
import type { Seeded } from './seeded.js';

/** A kind of bad request, made of a valid one. */
export interface Attack {
  name: string;
  /** Where it is one. */
  on: (valid: ValidRequest) => boolean;
  make: (valid: ValidRequest, seeded: Seeded, mark: string) => Hostile;
}

/** What differs from the valid request. */
export interface Hostile {
  method?: string;
  path?: string;
  headers?: RawHeaders;
  body?: string | Buffer;
}

const isWrite = ({ contract }: ValidRequest): boolean => contract.method !== 'GET';
const takesBody = ({ body }: ValidRequest): boolean => body !== undefined;
const asksFor =
  (name: string) =>
  ({ contract: { query } }: ValidRequest): boolean =>
    query !== undefined && name in query.shape;
const parametersOf = ({ contract }: ValidRequest): string[] =>
  [...contract.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');

const ofBodies = (makers: Record<string, BodyMaker>, on: Attack['on']): Attack[] =>
  Object.entries(makers).map(([name, make]) => ({
    name: `a body ${name}`,
    on,
    make: (valid, seeded, mark) => make(mark, valid.body ?? {}, seeded),
  }));

const ofQueries = (name: string, values: readonly string[]): Attack => ({
  name: `?${name}=`,
  on: asksFor(name),
  make: ({ path }, seeded) => ({
    path: `${path}${path.includes('?') ? '&' : '?'}${name}=${seeded.of(values)}`,
  }),
});

const ofHeaders = (name: string, on: Attack['on'], headers: readonly RawHeaders[]): Attack => ({
  name,
  on,
  make: (_, seeded) => ({ headers: seeded.of(headers) }),
});

const NUMBERS = ['', '-1', '1.5', 'ten', 'NaN', '%00', '1e400', '99999999999999999999', '1&X=2'];
const WORDS = ['%00', '%FF', '%', '%F0%9F%98%80', "'%20or%20true%20--", '../..', 'x'.repeat(5000), 'a&X=b'];
const twice = (name: string, values: readonly string[]): string[] =>
  values.map((value) => value.replace('X', name));

/** Nothing of the kind exists, and most of it is no id, no slug and no kind at all. */
const places = (): string[] => [
  ...['%00', '%zz', '%', '%C0%AE', '%ED%A0%80', '%2e%2e', '..', '..%2f..%2fetc%2fpasswd', '%F0%9F%98%80'],
  ...[
    '-1',
    '0',
    '1e400',
    'null',
    'undefined',
    '[object%20Object]',
    '__proto__',
    'constructor',
    "'--",
    '\xff',
  ],
  ...['{}', '*', '%25%30%30', 'x'.repeat(4000), '00000000-0000-0000-0000-000000000000'],
  // Does not get smaller when it is packed, as an index would.
  randomBytes(6000).toString('base64url'),
];

export const attacks: Attack[] = [
  ...ofBodies(unreadableBodies, isWrite),
  ...ofBodies(wrongBodies, takesBody),
  // Where all fields have defaults, or may be left out, nothing said is enough.
  ...ofBodies(
    { 'an empty object': () => ({ body: '{}' }) },
    (valid) => takesBody(valid) && valid.contract.body?.safeParse({}).success === false,
  ),
  {
    name: 'an absurd address',
    on: (valid) => parametersOf(valid).length > 0,
    make: (valid, seeded) => {
      const name = seeded.of(parametersOf(valid));
      const at = valid.contract.path.split('/').indexOf(`{${name}}`);
      const [path = '', query] = valid.path.split('?');
      const parts = path.split('/').with(at, seeded.of(places()));
      return { path: parts.join('/') + (query ? `?${query}` : '') };
    },
  },
  ofQueries('limit', ['0', '101001', '1e9', ...twice('limit', NUMBERS)]),
  ofQueries('cursor', ['next', '0', 'bnVsbA==', ...twice('cursor', WORDS)]),
  ofQueries(
    'after',
    twice(
      'after',
      NUMBERS.filter((number) => number !== ''),
    ),
  ),
  ofQueries('agent', ['gpt', ...twice('agent', WORDS)]),
  ofQueries('order', ['random', ...twice('order', WORDS)]),
  ofQueries('since', ['now', '2026-13-01T00:00:00Z', ...twice('since', WORDS)]),
  ofQueries('seq', ['0', '1', ...twice('seq', NUMBERS)]),
  {
    name: 'a query that nobody knows',
    on: ({ contract: { query } }) => query !== undefined && !('token' in query.shape),
    make: ({ path }, seeded) => ({
      path: `${path}${path.includes('?') ? '&' : '?'}${seeded.of(['__proto__', 'page', 'limit[gt]', '%zz', '%00', 'x'.repeat(3000)])}=1`,
    }),
  },
  ofHeaders('no such event', asksFor('after'), [
    { 'last-event-id': '-1' },
    { 'last-event-id': 'x' },
    { 'last-event-id': '1e3' },
    { 'last-event-id': '9'.repeat(400) },
    { 'last-event-id': ['1', '2'] },
  ]),
  ofHeaders('no proof of anybody', ({ contract }) => contract.access !== 'public', [
    { authorization: null },
    { authorization: '' },
    { authorization: 'Bearer' },
    { authorization: 'Bearer  ' },
    { authorization: `Bearer ${'x'.repeat(8000)}` },
    { authorization: 'Bearer berth_aaaaaaaa_' },
    { authorization: 'Bearer berth_%00_\xff' },
    { authorization: 'Basic YWRtaW46YWRtaW4=' },
    { authorization: null, cookie: 'berth_session=%00' },
    { authorization: null, cookie: `berth_session=${'%zz'.repeat(1000)}; berth_session=x; =; ;` },
  ]),
  ofHeaders('no Idempotency-Key', ({ contract }) => takesKey(contract), [
    { 'idempotency-key': '' },
    { 'idempotency-key': 'x'.repeat(256) },
    { 'idempotency-key': 'é' },
    { 'idempotency-key': ['a', 'b'] },
  ]),
  ofHeaders('no HTTP', () => true, [
    { 'x-long': 'x'.repeat(20_000) },
    { 'x-odd': 'a\u0000b' },
    { 'x odd': 'a' },
    { host: null },
    { 'content-length': 'many' },
    { 'content-length': ['3', '4'] },
    { 'content-length': '3', 'transfer-encoding': 'chunked' },
    { 'content-length': null, 'transfer-encoding': 'rot13' },
  ]),
  {
    name: 'chunks that are none',
    on: () => true,
    make: () => ({
      body: 'zz\r\n',
      headers: { 'content-length': null, 'transfer-encoding': 'chunked', expect: 'a-miracle' },
    }),
  },
  {
    name: 'a method that nobody knows',
    on: () => true,
    make: (_, seeded) => ({ method: seeded.of(['TRACE', 'PROPFIND', 'get', 'BERTH', 'G\u0000T', '']) }),
  },
];

/** The bytes of a bad request. */
export function bytesOf(valid: ValidRequest, hostile: Hostile): Buffer {
  const body = hostile.body ?? (valid.body === undefined ? undefined : JSON.stringify(valid.body));
  return rawRequest(
    {
      method: hostile.method ?? valid.contract.method,
      path: hostile.path ?? valid.path,
      headers: {
        accept: 'application/json',
        ...valid.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...hostile.headers,
      },
    },
    body,
  );
}
