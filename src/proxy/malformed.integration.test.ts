import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { until } from '../../test/emulators/until.js';
import { Seeded } from '../../test/support/seeded.js';
import type { ProxyCommand } from '../contracts/proxy.js';
import { FakeControlPlane } from './testing/fake-control-plane.js';
import { send, serve, textOf, type TestServer } from './testing/http.js';
import { malformed } from '../../test/support/malformed-requests.js';
import { ProxyChild } from '../../test/support/proxy-child.js';
import { PLACEHOLDER, PROXY_TOKEN, WORKSPACE_ID } from './testing/proxy-under-test.js';

const SEED = 20261126;
const FIRST = 500;
const MORE = 1500;
const AT_ONCE = 64;
/** How long a client waits for the first byte of an answer, and for the next ones: the proxy waits for the rest of many of these requests. */
const PATIENCE_MS = 300;
const REST_MS = 20;
/** A proxy that is asked wrongly has nothing to keep; what V8 has not given back yet is less. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024;
const PAGE = 4096;
const LISTED = new Set(['/v1/messages', '/v1/messages?beta=true', '/v1/responses', '/v1/models']);
const KEY = 'sk-ant-api03-canary-of-the-malformed-requests';

const body = '{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[]}';
const head = (line: string): string =>
  `${line} HTTP/1.1\r\nhost: berth\r\nx-api-key: ${PLACEHOLDER}\r\nanthropic-version: 2023-06-01\r\n`;
const VALID = [
  `${head('POST /anthropic/v1/messages?beta=true')}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  `${head('POST /anthropic/v1/messages')}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  `${head('GET /anthropic/v1/models')}\r\n`,
  `${head('POST /openai/v1/responses')}content-length: ${body.length}\r\n\r\n${body}`,
];

describe('thousands of malformed requests', () => {
  const seeded = new Seeded(SEED);
  const arrived: string[] = [];
  let leaked = '';
  let answered = 0;
  let served = 0;
  let directory: string;
  let controlPlane: FakeControlPlane;
  let upstream: TestServer;
  let child: ProxyChild;
  let open: ProxyCommand & { type: 'open' };

  /** A provider with bad days: it refuses, breaks off, and repeats the key wherever an answer has a place for it. */
  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    arrived.push(request.url ?? '');
    await textOf(request).catch(() => '');
    const key = String(request.headers['x-api-key'] ?? request.headers.authorization);
    const kind = seeded.below(8);
    if (kind === 0) return void response.socket?.destroy();
    if (kind === 1) return void response.writeHead(401).end(`{"error":{"message":"bad key ${key}"}}`);
    response.writeHead(kind === 2 ? 529 : 200, { 'content-type': 'text/event-stream', 'x-repeated': key });
    response.write('event: ping\ndata: {}\n\n');
    if (kind === 3) response.socket?.destroy();
    else response.end();
  }

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'berth-malformed-'));
    controlPlane = await FakeControlPlane.start();
    controlPlane.nextLease = (name) => ({ status: 200, body: leaseNow(name) });
    upstream = await serve((request, response) => void answer(request, response));
    child = ProxyChild.start();
    await child.configure(controlPlane.url, upstream.url);
    open = {
      type: 'open',
      requestId: '',
      workspaceId: WORKSPACE_ID,
      socketPath: path.join(directory, 's'),
      placeholder: PLACEHOLDER,
      proxyToken: PROXY_TOKEN,
      git: null,
    };
    await child.ask(open);
  });
  afterAll(async () => {
    child.process.kill('SIGKILL');
    await child.ended();
    await Promise.all([controlPlane.close(), upstream.close()]);
    await rm(directory, { recursive: true, force: true });
  });

  let generation = 0;
  /** Each lease is another generation: a refused one would otherwise be the last. */
  const leaseNow = (name: unknown): object => ({
    credentialId: '0198c0de-0000-7000-8000-000000000001',
    generation: (generation += 1),
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
    secret: { kind: `${String(name)}_api_key`, apiKey: KEY },
  });

  /** Sends the bytes, and hangs up when nothing has come for a moment: the proxy waits for the rest of many of these. */
  const throwAt = (bytes: string): Promise<void> =>
    new Promise((resolve) => {
      const socket = net.connect(open.socketPath, () => socket.write(Buffer.from(bytes, 'latin1')));
      let text = '';
      socket.setTimeout(PATIENCE_MS, () => socket.destroy());
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        socket.setTimeout(REST_MS);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (text !== '') answered += 1;
        if (text.startsWith('HTTP/1.1 200')) served += 1;
        if (text.includes(KEY) || text.includes(PROXY_TOKEN)) leaked ||= text;
        resolve();
      });
    });

  async function fuzz(count: number): Promise<void> {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await throwAt(malformed(seeded.of(VALID), seeded));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** What the proxy said before it ended by itself; it must not. */
  const fatal = (): string[] => child.output.split('\n').filter((line) => line.includes('proxy failed'));
  const files = (): number => readdirSync(`/proc/${child.process.pid}/fd`).length;
  const memory = (): number => {
    const pages = readFileSync(`/proc/${child.process.pid}/statm`, 'utf8').split(' ')[1];
    return Number(pages) * PAGE;
  };

  it('crash nothing, reach nothing that is not listed, learn no secret, and leave nothing behind', async () => {
    await fuzz(FIRST);
    expect(fatal()).toEqual([]);
    const before = { files: files(), memory: memory() };
    await fuzz(MORE);
    expect(fatal()).toEqual([]);
    expect(child.process.exitCode).toBeNull();
    expect(leaked).toBe('');
    expect([...new Set(arrived)].filter((url) => !LISTED.has(url.replace(/\?.*/s, '')))).toEqual([]);
    // It was a test only if much of it was read and some of it was good.
    expect(answered).toBeGreaterThan(FIRST / 2);
    expect(served).toBeGreaterThan(FIRST / 20);
    // Not the placeholder: who puts it into a path finds it in the log.
    for (const secret of [KEY, PROXY_TOKEN]) expect(child.output).not.toContain(secret);
    await until('the connections are closed', () => files() < before.files + AT_ONCE);
    expect(memory() - before.memory).toBeLessThan(MAX_GROWTH_BYTES);
    const models = { method: 'GET', path: '/anthropic/v1/models', headers: { 'x-api-key': PLACEHOLDER } };
    const statuses = await Promise.all(
      Array.from({ length: 20 }, () =>
        send(open.socketPath, models).then(
          ({ status }) => status,
          () => 0,
        ),
      ),
    );
    expect(statuses).toContain(200);
  });
});
