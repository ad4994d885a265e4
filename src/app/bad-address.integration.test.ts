import type { Api } from '../../test/support/api.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { request } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { rowCounts, withClient } from '../../test/support/tables.js';
import type { Problem } from '../contracts/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';

let berth: TestApp;
let acme: TestOrganization;
let api: Api;
let workspaceId: string;
let administrator: Api;
let before: Record<string, number>;
const log = new RecordingLog();

beforeAll(async () => {
  berth = await startTestApp({ log });
  acme = await berth.founded('acme');
  ({ api } = acme.owner);
  await api.setCredential('user', 'anthropic_api_key', { apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2' });
  workspaceId = (await api.createWorkspace({ repository: 'owner/name' })).id;
  const other = await berth.founded('run-by');
  await withClient(berth.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [other.owner.userId]),
  );
  administrator = other.owner.api;
  before = await rowCounts(berth.database.ownerUrl);
});
afterAll(async () => {
  await berth.close();
});
afterEach(async () => {
  // Whatever was sent: nothing is left behind, and nothing was our fault.
  expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
  expect(log.lines.splice(0).filter(({ level }) => level === 'error')).toEqual([]);
});

describe('a query', () => {
  it.each([
    ['limit=0', 'query.limit'],
    ['limit=101', 'query.limit'],
    ['limit=99999999999999999999', 'query.limit'],
    ['limit=-1', 'query.limit'],
    ['limit=1.5', 'query.limit'],
    ['limit=', 'query.limit'],
    ['limit=ten', 'query.limit'],
    ['limit=1&limit=2', 'query.limit'],
    ['limit[gt]=1', 'query.limit[gt]'],
    ['cursor=', 'query.cursor'],
    ['cursor=next', 'query.cursor'],
    ['cursor=%00', 'query.cursor'],
    ["cursor='%20or%20true%20--", 'query.cursor'],
    [`cursor=${'a'.repeat(300)}`, 'query.cursor'],
    ['cursor=a&cursor=b', 'query.cursor'],
    ['page=2', 'query.page'],
    ['__proto__=1', 'query.__proto__'],
    ['%zz=1', 'query.%zz'],
  ])('%s of a list is 422', async (query, where) => {
    for (const list of [
      '/workspaces',
      '/members',
      '/api-keys',
      '/credentials',
      `/workspaces/${workspaceId}/messages`,
      `/workspaces/${workspaceId}/operations`,
    ]) {
      const problem = expectProblem(
        await api.call('GET', api.path(`${list}?${query}`)),
        422,
        'validation-failed',
      );
      expect(pathsOf(problem)).toEqual([where]);
    }
  });

  it.each([
    ['after=-1', 'query.after'],
    ['after=99999999999999999999', 'query.after'],
    ['after=x', 'query.after'],
    ['limit=1001', 'query.limit'],
  ])('%s of events is 422', async (query, where) => {
    const problem = expectProblem(
      await api.call('GET', api.path(`/workspaces/${workspaceId}/events?${query}`)),
      422,
    );
    expect(pathsOf(problem)).toEqual([where]);
  });

  // Numbers beyond what the database's column holds, yet well-formed.
  it.each([String(2 ** 31), String(Number.MAX_SAFE_INTEGER)])(
    'after=%s of events finds nothing',
    async (after) => {
      const { body } = await api.get<{ items: object[] }>(
        api.path(`/workspaces/${workspaceId}/events?after=${after}`),
      );
      expect(body.items).toEqual([]);
    },
  );

  it('of a resolution names agents that exist', async () => {
    expectProblem(await api.call('GET', api.path('/credentials/resolution')), 422);
    expectProblem(await api.call('GET', api.path('/credentials/resolution?agent=gpt')), 422);
    expectProblem(await api.call('GET', api.path('/credentials/resolution?agent=claude&userId=me')), 422);
  });
});

describe('a path', () => {
  it.each([
    ['/workspaces/1', 422],
    ['/workspaces/not-an-id', 422],
    ['/workspaces/0190a0b0-c0d0-7000-8000-00000000000g', 422],
    ["/workspaces/'%20or%20true", 422],
    ['/workspaces/%00', 422],
    ['/workspaces/%F0%9F%98%80', 422],
    ['/workspaces/0190a0b0-c0d0-7000-8000-000000000000', 404],
    [`/workspaces/${'a'.repeat(4000)}`, 422],
    ['/workspaces/%zz', 400],
    ['/workspaces/%E0%A4%A', 400],
    ['/workspaces/%', 400],
    ['/no-such-list', 404],
    ['/workspaces/0190a0b0-c0d0-7000-8000-000000000000/no-such-part', 404],
  ])('%s is %i', async (path, status) => {
    expectProblem(await api.call('GET', api.path(path)), status);
  });

  it.each([
    ['%00', 404],
    ['acme%00', 404],
    ['acme%2f..%2fother', 404],
    ['%2e%2e', 404],
    ["'%20or%20true%20--", 404],
    ['%zz', 400],
    ['%C0%AE', 400],
    ['constructor', 404],
    ['__proto__', 404],
    ['a'.repeat(5000), 404],
  ])('with the organization %s is %i', async (org, status) => {
    expectProblem(await api.call('GET', `/api/v1/organizations/${org}`), status);
  });

  it('with an organization that is no text to Postgres is 404 for who runs Berth, too', async () => {
    const limits = '/api/v1/organizations/acme%00/limits';
    expectProblem(await administrator.call('PATCH', limits, { running: 5 }), 404);
  });

  it.each([
    '/nothing',
    '/api',
    '/api/v2/me',
    '/internal',
    '/docs/assets/../package.json',
    '/docs/assets/%2e%2e/package.json',
    '/docs/assets/%00',
    '/docs/assets/..%2f..%2f..%2fpackage.json',
    '/docs/assets/no-such-file.js',
  ])('%s is a problem of 4xx, not a page', async (path) => {
    const answer = await request(`${berth.url}${path}`);
    expect(expectProblem(answer, answer.status).status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  it('knows its verbs', async () => {
    expectProblem(await api.call('PUT', '/api/v1/me', {}), 404);
    expectProblem(await api.call('DELETE', '/healthz'), 404);
    expectProblem(await api.call('POST', '/docs/assets/swagger-ui.css', {}), 404);
  });
});

/** What is complained about, each place once. */
function pathsOf(problem: Problem): string[] {
  return [...new Set(problem.errors?.map(({ path }) => path))].sort();
}
