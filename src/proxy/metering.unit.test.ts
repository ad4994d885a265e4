import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { decodeSmall, Meter } from './metering.js';
import type { UsageReader } from './upstreams/adapter.js';

class Recorder implements UsageReader {
  readonly events: [string, string][] = [];
  body: unknown;
  event(name: string, data: string): void {
    this.events.push([name, data]);
  }
  json(body: unknown): void {
    this.body = body;
  }
  usage(): never {
    throw new Error('not asked here');
  }
  failure(): never {
    throw new Error('not asked here');
  }
}

const SSE = 'event: a\ndata: {"x":"ä"}\n\nevent: ping\ndata: {}\n\ndata: last\n\n';
const EVENTS = [
  ['a', '{"x":"ä"}'],
  ['ping', '{}'],
  ['message', 'last'],
];

/** Feeds bytes in pieces of `size` and gives what was read. */
function meter(
  headers: string[],
  bytes: Buffer,
  size: number,
): Promise<{ recorder: Recorder; readable: boolean }> {
  const recorder = new Recorder();
  return new Promise((resolve) => {
    const tap = new Meter(headers, recorder, (readable) => resolve({ recorder, readable }));
    for (let i = 0; i < bytes.length; i += size) tap.data(bytes.subarray(i, i + size));
    tap.end();
  });
}

const stream = (encoding?: string): string[] => [
  'content-type',
  'text/event-stream; charset=utf-8',
  ...(encoding === undefined ? [] : ['Content-Encoding', encoding]),
];

describe('Meter', () => {
  it.each<[string | undefined, (bytes: Buffer) => Buffer]>([
    [undefined, (bytes) => bytes],
    ['identity', (bytes) => bytes],
    ['gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('reads a stream of coding %s in pieces of any size', async (encoding, compress) => {
    const bytes = compress(Buffer.from(SSE));
    for (const size of [1, 7, bytes.length]) {
      const { recorder, readable } = await meter(stream(encoding), bytes, size);
      expect(readable).toBe(true);
      expect(recorder.events).toEqual(EVENTS);
    }
  });

  it('reads what there is of a stream that was cut', async () => {
    const { recorder } = await meter(stream(), Buffer.from(SSE.slice(0, -3)), 100);
    expect(recorder.events).toEqual(EVENTS.slice(0, 2));
    const gzip = gzipSync(Buffer.from(SSE));
    const { readable } = await meter(stream('gzip'), gzip.subarray(0, gzip.length - 9), 100);
    expect(readable).toBe(true);
  });

  it.each([
    ['broken gzip', stream('gzip'), Buffer.from('not gzip at all')],
    ['an unknown coding', stream('compress'), Buffer.from(SSE)],
    ['two codings', stream('gzip, br'), Buffer.from(SSE)],
    ['garbage', stream(), Buffer.from('garbage\n'.repeat(200))],
    ['an endless line', stream(), Buffer.alloc(9 * 1024 * 1024, 'data: x')],
    ['endless JSON', ['content-type', 'application/json'], Buffer.alloc(9 * 1024 * 1024, '1')],
  ])('says that it could not read %s', async (_name, headers, bytes) => {
    expect((await meter(headers, bytes, 65_536)).readable).toBe(false);
  });

  it('reads JSON, and nothing of other types', async () => {
    const { recorder } = await meter(['content-type', 'application/json'], Buffer.from('{"a":1}'), 2);
    expect(recorder.body).toEqual({ a: 1 });
    const other = await meter(['content-type', 'text/html'], Buffer.from(SSE), 100);
    expect(other.recorder).toMatchObject({ events: [], body: undefined });
  });
});

describe('decodeSmall', () => {
  it('decodes, within bounds', () => {
    expect(decodeSmall(Buffer.from('a'), undefined, 10)?.toString()).toBe('a');
    expect(decodeSmall(gzipSync('abc'), ' GZIP', 10)?.toString()).toBe('abc');
    expect(decodeSmall(deflateSync('abc'), 'deflate', 10)?.toString()).toBe('abc');
    expect(decodeSmall(brotliCompressSync('abc'), 'br', 10)?.toString()).toBe('abc');
    expect(decodeSmall(gzipSync(Buffer.alloc(1_000_000)), 'gzip', 1000)).toBeNull();
    expect(decodeSmall(Buffer.from('x'), 'gzip', 10)).toBeNull();
    expect(decodeSmall(Buffer.from('x'), 'zstd', 10)).toBeNull();
  });
});
