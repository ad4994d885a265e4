import http from 'node:http';
import net from 'node:net';
import type { Problem } from '../../src/contracts/index.js';
import type { Api } from '../support/api.js';
import { BerthProcess } from '../support/berth.js';

/** A hostile client on the wire of a running Berth: bytes that no library would send, and what a few hundred guesses tell. */

let berth: BerthProcess;
let owner: Api;

beforeAll(async () => {
  berth = await BerthProcess.start();
  owner = await berth.setUp();
});
afterAll(() => berth.remove());

const ANSWER_SECONDS = 10;

/** Sends raw bytes and reads until the server closes. Rejects when it neither answers nor closes. */
function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(berth.url);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port) });
    let answer = '';
    socket.setEncoding('latin1');
    socket.setTimeout(ANSWER_SECONDS * 1000, () => {
      socket.destroy();
      reject(new Error(`No end within ${ANSWER_SECONDS} s; so far: ${answer.slice(0, 200)}`));
    });
    socket.once('connect', () => socket.write(text, 'latin1'));
    socket.on('data', (piece: string) => (answer += piece));
    // A server that refuses early may reset the connection; what it said before that counts.
    socket.once('error', () => resolve(answer));
    socket.once('close', () => resolve(answer));
  });
}

/** The status of every answer in the bytes, in order. */
const statuses = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status);

describe('a request that two servers could read in two ways', () => {
  const second =
    'GET /api/v1/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n';
  const post = 'POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';

  it.each([
    ['two lengths', `${post}content-length: 0\r\ncontent-length: ${second.length}\r\n\r\n${second}`],
    [
      'a length and chunks',
      `${post}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
    ],
    ['chunks twice', `${post}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n${second}`],
    ['chunks that are not last', `${post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${second}`],
    ['an unknown coding', `${post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${second}`],
    ['a space before the colon', `${post}content-length : 3\r\n\r\n${second}`],
    ['a folded header', `${post}content-length: 0\r\n 5\r\n\r\n${second}`],
    ['a chunk of negative length', `${post}transfer-encoding: chunked\r\n\r\n-1\r\n${second}`],
    ['a length with a sign', `${post}content-length: +0\r\n\r\n${second}`],
    ['bare line feeds', `POST /api/v1/session HTTP/1.1\nhost: x\ncontent-length: 0\n\n${second}`],
    ['a bare carriage return in a header', `${post}a: b\rcontent-length: 0\r\n\r\n${second}`],
    ['a line break in its target', `GET /healthz\r\nx HTTP/1.1\r\nhost: x\r\n\r\n${second}`],
  ])('with %s is refused, and what hides behind it is not answered', async (_what, text) => {
    const answer = await sendRaw(text.replaceAll('{key}', owner.apiKey ?? ''));
    expect(statuses(answer)).toEqual(['400']);
    expect(answer).not.toContain('ada@example.com');
  });

  it('is told from two honest ones, which are both answered', async () => {
    const first = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n';
    const answer = await sendRaw(first + second.replace('{key}', owner.apiKey ?? ''));
    expect(statuses(answer)).toEqual(['200', '200']);
    expect(answer).toContain('ada@example.com');
  });
});

describe('a target on the wire', () => {
  const ask = (line: string, headers = ''): Promise<string> =>
    sendRaw(
      `${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${owner.apiKey ?? ''}\r\n${headers}connection: close\r\n\r\n`,
    );

  it.each([
    ['GET /api/v1/organizations/acme/../acme', '404'],
    ['GET /api/v1/organizations/acme/%2e%2e/acme', '404'],
    ['GET /api/v1/organizations//acme', '404'],
    ['GET /api/v1/organizations/acme\\..\\other', '404'],
    ['GET /api/v1/organizations/acme;x=1', '404'],
    ['GET /api/v1/organizations/ACME', '404'],
    ['GET /docs/assets/../../../../etc/passwd', '404'],
    ['GET /docs/assets/%2e%2e/%2e%2e/package.json', '404'],
    ['GET /docs/assets/..%2f..%2fpackage.json', '404'],
    ['TRACE /api/v1/me', '404'],
    ['GET http://elsewhere.example/api/v1/organizations/other', '404'],
  ])('%s leads nowhere', async (line, status) => {
    const answer = await ask(line);
    expect(statuses(answer)).toEqual([status]);
    expect(answer).not.toMatch(/root:|"dependencies"|authorization: Bearer/i);
  });

  it('CONNECT gets no tunnel', async () => {
    expect(await ask(`CONNECT 127.0.0.1:${new URL(berth.url).port}`)).not.toMatch(/HTTP\/1\.1 2/);
  });

  it('has room for one kind of header bomb: none', async () => {
    expect(statuses(await ask('GET /healthz', `x-bomb: ${'a'.repeat(200_000)}\r\n`))).toEqual(['431']);
    expect(statuses(await ask('GET /healthz', 'x: y\r\n'.repeat(20_000)))).toEqual(['431']);
    expect((await owner.get('/healthz')).status).toBe(200);
  });

  it('is not another because a header says so', async () => {
    const headers = ['x-original-url', 'x-rewrite-url', 'x-forwarded-prefix']
      .map((name) => `${name}: /healthz\r\n`)
      .join('');
    const stranger = await sendRaw(
      `GET /api/v1/me HTTP/1.1\r\nhost: x\r\n${headers}x-http-method-override: DELETE\r\nx-forwarded-for: 127.0.0.1\r\nconnection: close\r\n\r\n`,
    );
    expect(statuses(stranger)).toEqual(['401']);
  });
});

describe('a key or a role by a side door', () => {
  const stranger = (): Api => owner.as(null);

  it.each(['access_token', 'api_key', 'apiKey', 'token', 'authorization'])(
    'is not taken from the query as %s',
    async (name) => {
      const { status, body } = await stranger().call<Problem>(
        'GET',
        `/api/v1/me?${name}=${owner.apiKey ?? ''}`,
      );
      expect([status, body.code]).toEqual([401, 'unauthenticated']);
    },
  );

  it('is not taken from the body', async () => {
    const body = { access_token: owner.apiKey, name: 'x' };
    expect((await stranger().call('POST', owner.path('/api-keys'), body)).status).toBe(401);
  });

  it.each([
    '{"name":"x","__proto__":{"expiresAt":"2099-01-01T00:00:00Z","userId":"x","isAdmin":true}}',
    '{"name":"x","constructor":{"prototype":{"instanceAdministrator":true}}}',
  ])('does not come by a prototype: %s', async (body) => {
    const response = await fetch(`${berth.url}${owner.path('/api-keys')}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner.apiKey ?? ''}`, 'content-type': 'application/json' },
      body,
    });
    if (response.status === 201) expect(await response.json()).toMatchObject({ name: 'x', expiresAt: null });
    else expect(response.status).toBe(422);
    // Whoever asks next is who they were.
    expect((await owner.get<{ items: object[] }>(owner.path('/members'))).body.items).toHaveLength(1);
    expect((await stranger().call('GET', '/api/v1/me')).status).toBe(401);
  });

  it('does not make a credential of what only a prototype has', async () => {
    const response = await fetch(`${berth.url}${owner.path('/credentials/user/anthropic_api_key')}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${owner.apiKey ?? ''}`, 'content-type': 'application/json' },
      body: '{"__proto__":{"apiKey":"sk-ant-api03-by-the-prototype-0123456789"}}',
    });
    expect(response.status).toBe(422);
    expect((await owner.get<{ items: object[] }>(owner.path('/credentials'))).body.items).toEqual([]);
  });
});

describe('guessing who is here', () => {
  const signIn = async (email: string): Promise<{ status: number; milliseconds: number }> => {
    const startedAt = performance.now();
    const { status } = await owner
      .as(null)
      .call('POST', '/api/v1/session', { email, password: 'not the password' });
    return { status, milliseconds: performance.now() - startedAt };
  };
  const median = (numbers: number[]): number =>
    [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

  it('takes as long for an address that nobody has as for a real one', async () => {
    const times: Record<'real' | 'none', number[]> = { real: [], none: [] };
    // In turns, so that whatever else the machine does falls on both.
    for (let round = 0; round < 7; round++) {
      for (const [who, email] of [
        ['none', `nobody${round}@example.com`],
        ['real', 'ada@example.com'],
      ] as const) {
        const { status, milliseconds } = await signIn(email);
        expect(status).toBe(401);
        times[who].push(milliseconds);
      }
    }
    // Hashing takes tens of milliseconds, everything else one or two: without it the ratio would be 0.1 or less.
    expect(median(times.none) / median(times.real)).toBeGreaterThan(0.4);
    expect(median(times.none) / median(times.real)).toBeLessThan(2.5);
  });

  it('ends for one caller before it shuts out the people here', async () => {
    const tries = await Promise.all(
      Array.from({ length: 120 }, (_, index) => signIn(`guess${index}@example.com`)),
    );
    expect(tries.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(20);
    // Shut out, the caller goes on about one address, which is not counted: its owner gets in from elsewhere.
    for (let index = 0; index < 15; index++) expect((await signIn('ada@example.com')).status).toBe(429);
    expect(
      await signInFrom('127.0.0.2', { email: 'ada@example.com', password: 'correct horse battery' }),
    ).toBe(200);
  });
});

/** Signs in from another address of this machine, and answers the status. */
function signInFrom(localAddress: string, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${berth.url}/api/v1/session`,
      { method: 'POST', localAddress, agent: false, headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    request.once('error', reject);
    request.end(JSON.stringify(body));
  });
}
