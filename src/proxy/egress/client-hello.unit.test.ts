import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { Seeded } from '../../../test/support/seeded.js';
import { readClientHello } from './client-hello.js';

/** The first bytes of a real client. */
function helloFor(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => undefined, write: (chunk: Buffer) => resolve(chunk) });
    tls.connect({ socket: wire, ...(servername === '' ? {} : { servername }) }).on('error', () => undefined);
  });
}

/** The same message in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 0xff]), piece);
  }
  return Buffer.concat(records);
}

describe('readClientHello', () => {
  it('finds the name that a real client asks for, and that it asks for none', async () => {
    expect(readClientHello(await helloFor('good.example'))).toEqual({
      kind: 'hello',
      serverName: 'good.example',
    });
    expect(readClientHello(await helloFor(''))).toEqual({ kind: 'hello', serverName: null });
  });

  it('waits for the rest, however it is cut, and reads no further', async () => {
    const hello = await helloFor('good.example');
    for (const bytes of [hello, inRecords(hello, 1), inRecords(hello, 100)]) {
      for (let length = 0; length < bytes.length; length += 7)
        expect(readClientHello(bytes.subarray(0, length)).kind).toBe('partial');
      const more = Buffer.concat([bytes, Buffer.from('and more')]);
      expect(readClientHello(more)).toEqual({ kind: 'hello', serverName: 'good.example' });
    }
  });

  it.each([
    ['http', Buffer.from('GET / HTTP/1.1\r\n')],
    ['ssh', Buffer.from('SSH-2.0-OpenSSH\r\n')],
    ['one foreign byte', Buffer.from([0])],
    ['an older version’s major number', Buffer.from([0x16, 2, 0, 0, 5])],
    ['an empty record', Buffer.from([0x16, 3, 1, 0, 0])],
    ['a record too long', Buffer.from([0x16, 3, 1, 0x40, 1])],
    ['another handshake message', Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['an empty hello', Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0])],
    ['a hello of megabytes', Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff])],
  ])('takes %s for no TLS', (_name, bytes) => expect(readClientHello(bytes)).toEqual({ kind: 'not-tls' }));

  it('refuses two names, which two servers could read in two ways', async () => {
    const hello = await helloFor('good.example');
    const at = hello.indexOf('good.example');
    // server_name: type 0, its length, the list's length, one entry of type 0 and its length, the name.
    const extension = hello.subarray(at - 9, at + 'good.example'.length);
    expect(extension.readUInt16BE(0)).toBe(0);
    const twice = Buffer.concat([hello.subarray(0, at - 9), extension, hello.subarray(at - 9)]);
    const grown = extension.length;
    twice.writeUInt16BE(hello.readUInt16BE(3) + grown, 3);
    twice.writeUIntBE(hello.readUIntBE(6, 3) + grown, 6, 3);
    const list = at - 9 - lengthOfExtensionsBefore(hello, at - 9) - 2;
    twice.writeUInt16BE(hello.readUInt16BE(list) + grown, list);
    expect(readClientHello(twice)).toEqual({ kind: 'not-tls' });
  });

  it('throws at nothing: 3,000 damaged ones', async () => {
    const hello = await helloFor('good.example');
    const random = new Seeded(25);
    for (let round = 0; round < 3000; round += 1) {
      const damaged = Buffer.from(hello);
      for (let times = 0; times < 3; times += 1) damaged[random.below(damaged.length)] = random.below(256);
      expect(['partial', 'not-tls', 'hello']).toContain(readClientHello(damaged).kind);
    }
  });
});

/** How many bytes of extensions come before this one. */
function lengthOfExtensionsBefore(hello: Buffer, extension: number): number {
  let at = 5 + 4 + 2 + 32;
  at += 1 + (hello[at] ?? 0);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + (hello[at] ?? 0);
  return extension - (at + 2);
}
