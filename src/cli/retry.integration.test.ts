import { BerthServer, problem } from './testing/berth-server.js';
import { testCli, type TestCli } from './testing/test-cli.js';

/** Changes that are tried again: what counts is what the server saw. */

const key = 'berth_0123456789abcdefSECRET';
const create = ['workspaces', 'create', '--repository', 'acme/site'];
let server: BerthServer;
let cli: TestCli;
beforeEach(async () => {
  server = new BerthServer(key);
  cli = testCli(await server.listen(), key);
});
afterEach(() => server.close());

const posts = () => server.seen.filter(({ method }) => method === 'POST');
const keys = () => new Set(posts().map(({ headers }) => headers['idempotency-key']));

it('a change carries a key of its own', async () => {
  await cli.run(...create);
  await cli.run(...create);
  expect(posts()).toHaveLength(2);
  expect(keys().size).toBe(2);
  for (const used of keys()) expect(used).toMatch(/^[0-9a-f-]{36}$/);
});

it('a cut connection is followed by the same change with the same key', async () => {
  server.intercept = ({ method }, response) => {
    if (method !== 'POST' || posts().length > 2) return false;
    response.socket?.destroy();
    return true;
  };
  expect(await cli.run(...create)).toBe(0);
  expect(posts()).toHaveLength(3);
  expect(keys().size).toBe(1);
  expect(cli.pauses).toEqual([300, 600]);
  expect(cli.err).toContain('The connection broke; trying again in 1 s.');
});

it('an answer that breaks off in the middle too', async () => {
  server.intercept = ({ method }, response) => {
    if (method !== 'POST' || posts().length > 1) return false;
    response.writeHead(202, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('{"id":');
    setImmediate(() => response.socket?.destroy());
    return true;
  };
  expect(await cli.run(...create)).toBe(0);
  expect(posts()).toHaveLength(2);
  expect(keys().size).toBe(1);
});

it('gives up in the end, and says that Berth is not there', async () => {
  server.intercept = ({ method }, response) => {
    if (method !== 'POST') return false;
    response.socket?.destroy();
    return true;
  };
  expect(await cli.run(...create, '--json')).toBe(6);
  expect(posts()).toHaveLength(7);
  expect(JSON.parse(cli.err)).toMatchObject({ error: { code: 'unreachable', exitCode: 6 } });
});

it.each([
  [503, 'not-ready'],
  [429, 'too-many-requests'],
  [409, 'idempotency-key-in-use'],
])('waits as long as a %i %s asks, and says so; not for ten minutes', async (status, code) => {
  let wait = '2';
  server.intercept = ({ method }, response) => {
    if (method !== 'POST' || (wait === '2' && posts().length > 1)) return false;
    response.setHeader('retry-after', wait);
    problem(response, status, code, 'Not yet.');
    return true;
  };
  expect(await cli.run(...create)).toBe(0);
  expect(cli.pauses).toEqual([2000]);
  expect(cli.err).toContain('trying again in 2 s.');
  wait = '600';
  expect(await cli.run(...create)).toBe(status === 409 ? 5 : 6);
  expect(cli.pauses).toEqual([2000]);
});

it('a refusal is not asked again', async () => {
  server.intercept = ({ method }, response) => {
    if (method !== 'POST') return false;
    problem(response, 500, 'internal', 'Something went wrong here.', { requestId: 'req-7' });
    return true;
  };
  expect(await cli.run(...create)).toBe(1);
  expect(posts()).toHaveLength(1);
  expect(cli.err).toContain('request id: req-7');
});
