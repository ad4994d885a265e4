import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { eventually } from '../../test/support/eventually.js';
import { rowCounts } from '../../test/support/tables.js';

const SLOW = 200;

let berth: TestApp;
let acme: TestOrganization;
const sockets: Socket[] = [];

beforeAll(async () => {
  const limits = {
    headersSeconds: 1,
    requestSeconds: 1.5,
    idleSeconds: 2.5,
    lookSeconds: 0.2,
    connections: 1000,
  };
  berth = await startTestApp({ limits });
  acme = await berth.founded('acme');
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await berth.close();
});

/** Connects, says a beginning, and then nothing more. Collects what comes back. */
async function begin(text: string): Promise<{ socket: Socket; heard: () => string; ended: () => boolean }> {
  const socket = connect(Number(new URL(berth.url).port), '127.0.0.1');
  sockets.push(socket);
  let [heard, ended] = ['', false];
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (ended = true));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, heard: () => heard, ended: () => ended };
}
const head = (method: string, path: string, more = ''): string =>
  `${method} ${path} HTTP/1.1\r\nhost: berth\r\nauthorization: Bearer ${acme.owner.apiKey}\r\n${more}`;

describe('callers who take their time', () => {
  it.each<[string, () => string]>([
    ['nothing', () => ''],
    ['half a line', () => 'GET /api'],
    ['headers without end', () => head('GET', '/api/v1/me', 'x-more: ')],
    [
      'a body without end',
      () =>
        head(
          'POST',
          acme.owner.api.path('/api-keys'),
          'content-type: application/json\r\ncontent-length: 400\r\n\r\n{"name":',
        ),
    ],
  ])('with %s are told so, or cut off', async (_, text) => {
    const before = await rowCounts(berth.database.ownerUrl);
    const caller = await begin(text());
    await eventually('cut off', caller.ended, 15);
    expect(caller.heard()).toMatch(/^(|HTTP\/1\.1 408 [^]*"code":"request-timeout"[^]*)$/);
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
  });

  it('do not keep others waiting, however many they are', async () => {
    const slow = await Promise.all(
      Array.from({ length: SLOW }, () => begin(head('GET', '/api/v1/me', 'x: '))),
    );
    await acme.owner.api.get('/api/v1/me');
    await eventually('all are cut off', () => slow.every(({ ended }) => ended()), 20);
  });

  it('are not those who listen to events: an answer may last', async () => {
    await acme.owner.api.setCredential('user', 'anthropic_api_key', {
      apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
    });
    const { id } = await acme.owner.api.createWorkspace({ repository: 'owner/name' });
    const reader = await begin(
      head('GET', acme.owner.api.path(`/workspaces/${id}/events`), 'accept: text/event-stream\r\n\r\n'),
    );
    await eventually('the stream begins', () => reader.heard().includes('workspace.state'));
    // Others that began later are cut off meanwhile, by both limits.
    const slow = [
      await begin('GET'),
      await begin(head('POST', '/api/v1/session', 'content-length: 5\r\n\r\n{')),
    ];
    await eventually('the slow ones are cut off', () => slow.every(({ ended }) => ended()), 15);
    expect(reader.ended()).toBe(false);
    await acme.owner.api.send(id, 'still there?');
    await eventually('the stream goes on', () => reader.heard().includes('message.state'));
  });
});
