import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { RawHeaders } from './raw-http.js';
import type { Seeded } from './seeded.js';

/** A body that no route takes, with the headers that make it so. */
export interface HostileBody {
  body: string | Buffer;
  headers?: RawHeaders;
}

/** By name; each is wrong whatever the route does. `mark` is a text that must not come back, `valid` what the route would take. */
export type BodyMaker = (mark: string, valid: object, seeded: Seeded) => HostileBody;

const MiB = 1024 * 1024;
const DEEP = 100_000;
const packedMiB = 8;
const bombs = {
  gzip: gzipSync(Buffer.alloc(packedMiB * MiB, ' ')),
  deflate: deflateSync(Buffer.alloc(packedMiB * MiB, '[')),
  br: brotliCompressSync(Buffer.alloc(packedMiB * MiB, 'a')),
};

const marked = (mark: string, valid: object): string => JSON.stringify({ ...valid, note: mark });
const typed = (type: string | null): RawHeaders => ({ 'content-type': type });

/** What is no JSON, or not JSON alone: refused before any route is asked. */
export const unreadableBodies: Record<string, BodyMaker> = {
  'cut short': (mark, valid, seeded) => {
    const text = marked(mark, valid);
    return { body: text.slice(0, 1 + seeded.below(text.length - 1)) };
  },
  // But for its letters these two are valid: who reads them leniently takes them.
  'with a byte that is no UTF-8': (_, valid, seeded) => {
    const bytes = Buffer.from(JSON.stringify(valid));
    bytes[seeded.below(bytes.length)] = seeded.of([0x80, 0xc0, 0xe2, 0xed, 0xf8, 0xff]);
    return { body: bytes };
  },
  'in another alphabet': (_, valid, seeded) => {
    const text = JSON.stringify(valid);
    return seeded.of<HostileBody>([
      { body: Buffer.from(text, 'utf16le') },
      { body: Buffer.from(`\ufeff${text}`, 'utf16le'), headers: typed('application/json; charset=utf-16') },
      { body: text, headers: typed('application/json; charset=utf-7') },
      { body: text, headers: typed('application/json; charset=utf-32') },
      { body: text, headers: typed('application/json; charset=latin1') },
      { body: text, headers: typed(`application/json; charset=${'x'.repeat(500)}`) },
    ]);
  },
  'with a byte of control': (mark, valid, seeded) => {
    const text = marked(mark, valid);
    // Not behind the last bracket or before the first one, where a line break would be white space.
    const at = 2 + seeded.below(text.length - 4);
    return { body: text.slice(0, at) + seeded.of(['\u0000', '\u0001', '\u001f']) + text.slice(at) };
  },
  'brackets without end': (_, __, seeded) => ({ body: seeded.of(['[', '{"a":']).repeat(DEEP) }),
  'nested deeply': (mark, _, seeded) => {
    const levels = 65 + seeded.below(DEEP);
    return { body: `{"text":${'['.repeat(levels)}"${mark}"${']'.repeat(levels)}}` };
  },
  'no JSON': (mark, _, seeded) => ({
    body: seeded.of([
      mark,
      `"${mark}"`,
      `{'text':'${mark}'}`,
      `{"text":"${mark}",}`,
      `/* ${mark} */ {}`,
      `{"text":"${mark}"} {}`,
      `{"text":NaN,"more":"${mark}"}`,
      `{"text":"${mark}","more":01}`,
      'null',
      '7',
      'true',
    ]),
  }),
  'of another type': (mark, valid, seeded) => ({
    body: marked(mark, valid),
    headers: typed(
      seeded.of([
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/jsonp',
        'application/xml',
        'json',
        '*/*',
        '',
        ';',
        null,
      ]),
    ),
  }),
  'too large': (mark, _, seeded) => ({
    body: JSON.stringify({ text: mark.repeat(30_000 + seeded.below(9000)) }),
  }),
  'too large when it is unpacked': (_, __, seeded) => {
    const packing = seeded.of(['gzip', 'deflate', 'br'] as const);
    return { body: bombs[packing], headers: { 'content-encoding': packing } };
  },
  'not packed as it says': (mark, _, seeded) => ({
    body: mark,
    headers: { 'content-encoding': seeded.of(['gzip', 'deflate', 'br', 'gzip, gzip', 'rot13', 'zip']) },
  }),
  'shorter than it says it is': (mark, valid) => {
    const text = marked(mark, valid);
    return { body: text, headers: { 'content-length': String(text.length - 1) } };
  },
};

/** Of a body without any, one that nobody knows. */
const namesOf = (valid: object): string[] => (Object.keys(valid).length > 0 ? Object.keys(valid) : ['k']);

/** What is JSON, and not what the route takes: refused by its contract, or by the room it belongs to. */
export const wrongBodies: Record<string, BodyMaker> = {
  'a list': (mark, valid) => ({ body: JSON.stringify([valid, mark]) }),
  'a field that nobody knows': (mark, valid, seeded) => ({
    body: JSON.stringify({
      ...valid,
      [seeded.of(['no_such_field', 'toString', 'constructor', '$where', 'k'.repeat(5000), '😀', ''])]: mark,
    }),
  }),
  'a prototype': (mark, valid) => ({
    body: `${JSON.stringify(valid).slice(0, -1)},"__proto__":{"role":"${mark}","isAdmin":true}}`,
  }),
  'a field of a wrong type': (mark, valid, seeded) => ({ body: withWrongLeaf(valid, mark, seeded) }),
  'a field given twice, at last wrongly': (mark, valid, seeded) => {
    const name = seeded.of(namesOf(valid));
    return { body: `${JSON.stringify(valid).slice(0, -1)},${JSON.stringify(name)}:{"text":"${mark}"}}` };
  },
  'as deep as may be': (mark, valid, seeded) => {
    const name = seeded.of(namesOf(valid));
    const deep = `${'['.repeat(60)}"${mark}"${']'.repeat(60)}`;
    return { body: `${JSON.stringify(valid).slice(0, -1)},${JSON.stringify(name)}:${deep}}` };
  },
};

/** A number that JavaScript reads as infinite; JSON can say it, JSON.stringify cannot. */
const INFINITE = '1e400';

/** The same with one value, wherever it stands, replaced by one of a wrong type, or by a text that cannot be kept or is too long. */
function withWrongLeaf(valid: object, mark: string, seeded: Seeded): string {
  const paths = leavesOf(valid);
  // Nothing in it can be of a wrong type.
  if (paths.length === 0) return JSON.stringify({ k: mark });
  const { path, value } = seeded.of(paths);
  const wrong = seeded.of(wrongInsteadOf(path.at(-1) ?? '', value, mark));
  const text = JSON.stringify(replaced(valid, path, wrong));
  return text.replaceAll(`"${INFINITE}"`, INFINITE);
}

interface Leaf {
  path: string[];
  value: unknown;
}

function leavesOf(value: unknown, path: string[] = []): Leaf[] {
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}

function replaced(value: unknown, [name, ...rest]: string[], by: unknown): unknown {
  if (name === undefined) return by;
  if (Array.isArray(value))
    return value.map((inner, at) => (String(at) === name ? replaced(inner, rest, by) : (inner as unknown)));
  const object = value as Record<string, unknown>;
  return { ...object, [name]: replaced(object[name], rest, by) };
}

function wrongInsteadOf(name: string, value: unknown, mark: string): unknown[] {
  const never: unknown[] = [null, [], [mark], {}, { $gt: mark }, { toString: mark }];
  switch (typeof value) {
    case 'number':
      return [...never, '1', -1, -0.5, INFINITE, mark];
    case 'boolean':
      return [...never, 'true', 1];
    default:
      // A password may hold any whole character, NUL too: it is never kept as text.
      return [
        ...never,
        7,
        true,
        INFINITE.repeat(50_000),
        `${mark}\ud800`,
        ...(name === 'password' ? [] : [`${mark}\u0000`]),
      ];
  }
}
