import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { until } from '../../test/emulators/until.js';
import { begin, send } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const OLD = { kind: 'claude_oauth', token: 'sk-ant-oat01-old-of-the-spilled-bodies' } as const;
const NEW = { kind: 'claude_oauth', token: 'sk-ant-oat01-new-of-the-spilled-bodies' } as const;
const LIMITS = { spillBytes: 10_000, maxBodyBytes: 3_000_000, maxWorkspaceBodyBytes: 4_000_000 };

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function arrived(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Files of bodies that this process has open; none of them has a name any more. */
function openBodies(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`);
      return file.includes('berth-body-') ? [file] : [];
    } catch {
      return [];
    }
  });
}

describe('a large body', () => {
  const body = randomBytes(2_500_000);
  const headers = { 'x-api-key': PLACEHOLDER, 'content-type': 'application/json' };
  const call = { path: '/anthropic/v1/messages', headers, body };
  let proxy: ProxyUnderTest;
  let seen: { digest: string; length: string | undefined; token: string | undefined }[];
  /** What the upstream waits for before it answers. */
  let gate: Promise<void>;
  /** And before it reads. */
  let reading: Promise<void>;
  let begun: number;

  beforeEach(async () => {
    seen = [];
    [gate, reading, begun] = [Promise.resolve(), Promise.resolve(), 0];
    proxy = await startProxy(
      (request, response) => {
        begun += 1;
        request.on('error', () => undefined);
        const whole = reading.then(() => arrived(request));
        void whole.then(
          async (bytes) => {
            const { 'content-length': length, authorization: token } = request.headers;
            seen.push({ digest: digestOf(bytes), length, token });
            await gate;
            response.writeHead(token?.endsWith(NEW.token) ? 200 : 401, {
              'content-type': 'application/json',
            });
            response.end('{}');
          },
          () => undefined,
        );
      },
      { limits: LIMITS },
    );
    proxy.controlPlane.succession([OLD, NEW]);
  });
  afterEach(() => proxy.close());

  it('waits in a file without a name, goes whole at each send, and leaves nothing', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const answer = send(proxy.socket, call);
    await until('the first send', () => seen.length === 1);
    expect(openBodies()).toEqual([expect.stringMatching(/ \(deleted\)$/)]);
    open();
    expect(await answer).toMatchObject({ status: 200 });
    expect(seen).toEqual(
      [OLD, NEW].map(({ token }) => ({
        digest: digestOf(body),
        length: String(body.length),
        token: `Bearer ${token}`,
      })),
    );
    await until('the file is closed', () => openBodies().length === 0);
  });

  it('is bounded for a workspace as small ones are, and gives its share back', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const first = send(proxy.socket, call);
    await until('the first send', () => seen.length === 1);
    expect(await send(proxy.socket, call)).toMatchObject({ status: 503 });
    open();
    expect(await first).toMatchObject({ status: 200 });
    await until('the files are closed', () => openBodies().length === 0);
    expect(await send(proxy.socket, call)).toMatchObject({ status: 200 });
  });

  it('leaves nothing when it is too large', async () => {
    const { request, response } = await begin(proxy.socket, {
      path: '/anthropic/v1/messages',
      headers: { ...headers, 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(LIMITS.maxBodyBytes + 1),
    });
    expect(response.statusCode).toBe(413);
    request.destroy();
    await until('the file is closed', () => openBodies().length === 0);
  });

  it('leaves nothing when its client leaves in the middle of it', async () => {
    const socket = net.connect(proxy.socket);
    const head = `POST ${call.path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${PLACEHOLDER}\r\ncontent-length: ${body.length}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, 500_000)]));
    await until('a part of it is in the file', () => openBodies().length === 1);
    socket.destroy();
    await until('the file is closed', () => openBodies().length === 0);
    expect(seen).toHaveLength(0);
  });

  it('leaves nothing, and ends nothing, when its client leaves while the upstream takes it', async () => {
    let open: () => void = () => undefined;
    reading = new Promise((resolve) => (open = resolve));
    const request = http.request({ socketPath: proxy.socket, method: 'POST', path: call.path, headers });
    request.on('error', () => undefined).end(body);
    await until('the send', () => begun === 1);
    request.destroy();
    await until('the file is closed', () => openBodies().length === 0);
    open();
    expect(await send(proxy.socket, call)).toMatchObject({ status: 200 });
  });
});
