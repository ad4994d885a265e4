import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Bench } from '../../test/support/bench.js';
import { testCli } from './testing/test-cli.js';

/** A cut connection between the command and the real app: it is asked again, and it is done once. */

let bench: Bench;
let splitter: Server;
let url: string;
/** How many answers are still to be swallowed. */
let cuts: number;
let seen: string[];
beforeAll(async () => {
  bench = await Bench.start();
  splitter = createServer(passOn);
  await new Promise<void>((resolve) => splitter.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(splitter.address() as AddressInfo).port}`;
});
afterAll(async () => {
  splitter.closeAllConnections();
  await new Promise((resolve) => splitter.close(resolve));
  await bench.close();
});
beforeEach(() => {
  seen = [];
});

/** Passes a request on to the app. The app answers each; the first answers to changes never arrive. */
function passOn(incoming: IncomingMessage, response: ServerResponse): void {
  const { method = '', headers } = incoming;
  const onward = request(`${bench.app.url}${incoming.url ?? ''}`, { method, headers }, (answer) => {
    if (method !== 'GET' && cuts-- > 0) {
      answer.resume();
      answer.on('end', () => incoming.socket.destroy());
      return;
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  if (method !== 'GET') seen.push(String(headers['idempotency-key']));
  incoming.pipe(onward);
}

it.each([1, 3])('with %i answers lost there is one workspace', async (lost) => {
  cuts = lost;
  const name = `lost ${lost}`;
  const cli = testCli(url, bench.owner.apiKey);
  const args = ['--repository', 'acme/app', '--name', name, '--json'];
  expect(await cli.run('workspaces', 'create', ...args)).toBe(0);
  expect(seen).toHaveLength(lost + 1);
  expect(new Set(seen).size).toBe(1);
  const { body } = await bench.api.get<{ items: { id: string; name: string }[] }>(
    bench.api.path('/workspaces'),
  );
  const made = body.items.filter((workspace) => workspace.name === name);
  expect(made).toHaveLength(1);
  expect(JSON.parse(cli.out)).toMatchObject({ id: made[0]?.id });
});
