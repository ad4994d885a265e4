import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Api } from '../../test/support/api.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { eventually } from '../../test/support/eventually.js';
import { request } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { exchange, rawRequest, type RawHeaders } from '../../test/support/raw-http.js';
import { rowCounts } from '../../test/support/tables.js';
import { problemSchema, type Problem } from '../contracts/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';

const KiB = 1024;

let berth: TestApp;
let acme: TestOrganization;
let api: Api;
let workspaceId: string;
let before: Record<string, number>;
const log = new RecordingLog();

beforeAll(async () => {
  berth = await startTestApp({ log });
  acme = await berth.founded('acme');
  ({ api } = acme.owner);
  await api.setCredential('user', 'anthropic_api_key', { apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2' });
  workspaceId = (await api.createWorkspace({ repository: 'owner/name' })).id;
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

/** Sends bytes as they are, as the owner. */
const send = (path: string, body: string | Buffer, headers: Record<string, string> = {}, method = 'POST') =>
  request(`${berth.url}${api.path(path)}`, {
    method,
    body,
    headers: { authorization: `Bearer ${acme.owner.apiKey}`, 'content-type': 'application/json', ...headers },
  });

describe('a body', () => {
  it.each<[string, string]>([
    ['broken', '{"repository": "a/b"'],
    ['empty but for a bracket', '{'],
    ['not JSON', 'repository=a/b'],
    ['a lone value', '"text"'],
    ['a number', '7'],
    ['JSON with a comment', '{/* a */}'],
    ['NaN', '{"idleTimeoutMinutes": NaN}'],
    ['brackets without end', '['.repeat(200_000)],
    ['braces without end', '{"a":'.repeat(50_000)],
  ])('that is %s is 400', async (_, body) => {
    expectProblem(await send('/workspaces', body), 400, 'malformed-json');
  });

  it.each<[string, Record<string, string>]>([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', { 'content-type': 'text/plain' }],
    ['XML', { 'content-type': 'application/xml' }],
    ['almost JSON', { 'content-type': 'application/jsonp' }],
    ['no type', { 'content-type': '' }],
    ['JSON in another alphabet', { 'content-type': 'application/json; charset=latin1' }],
    ['JSON in an encoding nobody knows', { 'content-encoding': 'rot13' }],
  ])('that says it is %s is 415', async (_, headers) => {
    expectProblem(
      await send('/workspaces', '{"repository":"owner/name"}', headers),
      415,
      'unsupported-media-type',
    );
  });

  it.each<[string, string | Buffer, Record<string, string>]>([
    ['of 600 KB', JSON.stringify({ repository: 'a'.repeat(600 * KiB) }), {}],
    ['of 600 KB of white space', ' '.repeat(600 * KiB), {}],
    [
      'that is small only until it is unpacked',
      gzipSync(JSON.stringify({ repository: 'a'.repeat(5000 * KiB) })),
      { 'content-encoding': 'gzip' },
    ],
  ])('%s is 413 and names the limit', async (_, body, headers) => {
    expect(
      expectProblem(await send('/workspaces', body, headers), 413, 'payload-too-large').detail,
    ).toContain('512 KiB');
  });

  it('that is not packed as it says is 400', async () => {
    expectProblem(await send('/workspaces', 'not gzip', { 'content-encoding': 'gzip' }), 400, 'bad-request');
  });

  it.each<[string, unknown, string[]]>([
    ['is missing', undefined, ['body']],
    ['is a list', [], ['body']],
    ['is empty', {}, ['body.repository']],
    ['has unknown fields', { repository: 'owner/name', mesage: 'x', id: '1' }, ['body.mesage', 'body.id']],
    [
      'has a prototype',
      JSON.parse('{"repository":"owner/name","__proto__":{"admin":true}}'),
      ['body.__proto__'],
    ],
    [
      'has wrong types',
      { repository: 7, agent: [], message: {}, idleTimeoutMinutes: '30' },
      ['body.repository', 'body.agent', 'body.message', 'body.idleTimeoutMinutes'],
    ],
    ['has null for what is left out', { repository: 'owner/name', message: null }, ['body.message']],
    ['has NUL in the message', { repository: 'owner/name', message: 'a\u0000b' }, ['body.message']],
    ['has NUL in the name', { repository: 'owner/name', name: 'a\u0000b' }, ['body.name']],
    ['has NUL in the model', { repository: 'owner/name', model: 'a\u0000b' }, ['body.model']],
    [
      'has half a character in the message',
      { repository: 'owner/name', message: 'a\ud83d' },
      ['body.message'],
    ],
    ['has half a character in the name', { repository: 'owner/name', name: '\udc00b' }, ['body.name']],
    ['has NUL in the repository', { repository: 'owner/na\u0000me' }, ['body.repository']],
    ['has NUL in the ref', { repository: 'owner/name', ref: 'a\u0000b' }, ['body.ref']],
    [
      'has a number without end',
      { repository: 'owner/name', idleTimeoutMinutes: 1e308 },
      ['body.idleTimeoutMinutes'],
    ],
    ['has a repository that is an option', { repository: '--upload-pack=touch /tmp/x' }, ['body.repository']],
    ['has a repository that is a helper', { repository: 'ext::sh -c id' }, ['body.repository']],
    [
      'has a repository with a password',
      { repository: 'https://user:secret@github.com/a/b' },
      ['body.repository'],
    ],
    ['has a ref that is an option', { repository: 'owner/name', ref: '--force' }, ['body.ref']],
  ])('that %s is 422 and says where', async (_, body, paths) => {
    const problem = expectProblem(
      await api.call('POST', api.path('/workspaces'), body),
      422,
      'validation-failed',
    );
    expect(pathsOf(problem)).toEqual([...paths].sort());
    expect(JSON.stringify(problem)).not.toContain('secret');
  });

  it('that is nested deeply is 400 and names the limit; as deep as may be, it is looked at', async () => {
    const nested = (levels: number): string =>
      `{"repository":"owner/name","message":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    for (const levels of [64, 100_000]) {
      const { detail } = expectProblem(await send('/workspaces', nested(levels)), 400, 'malformed-json');
      expect(detail).toContain('64 levels');
    }
    const answer = await send('/workspaces', nested(63));
    expect(pathsOf(expectProblem(answer, 422))).toEqual(['body.message']);
  });

  it('that is no UTF-8 is 400, not other letters', async () => {
    const bytes = Buffer.from('{"repository":"owner/name","message":"Gr\xfc\xdfe"}', 'latin1');
    const problem = expectProblem(await send('/workspaces', bytes), 400, 'malformed-json');
    expect(problem.detail).toContain('UTF-8');
  });

  it.each(['utf-16', 'utf-16le', 'utf-32', 'utf-7'])(
    'in %s is 415, also where it could be read',
    async (charset) => {
      const headers = { 'content-type': `application/json; charset=${charset}` };
      const body = Buffer.from('{"repository":"owner/name"}', charset === 'utf-7' ? 'utf8' : 'utf16le');
      const problem = expectProblem(await send('/workspaces', body, headers), 415, 'unsupported-media-type');
      expect(problem.detail).toContain('UTF-8');
    },
  );

  it('with a prototype is 422 where the names of fields are open too', async () => {
    const body = '{"apiKey":"sk-proj-0123456789abcdef","__proto__":{"fallback":false}}';
    const answer = await send('/credentials/user/openai_api_key', body, {}, 'PUT');
    expect(pathsOf(expectProblem(answer, 422))).toEqual(['body.__proto__']);
  });

  it.each<[string, string, unknown, string]>([
    ['PATCH', '/workspaces/ID', {}, 'body'],
    ['PATCH', '/workspaces/ID', { state: 'deleted' }, 'body.state'],
    ['PATCH', '/workspaces/ID', { name: '\u0000' }, 'body.name'],
    ['POST', '/workspaces/ID/messages', { text: 'a\u0000' }, 'body.text'],
    ['POST', '/workspaces/ID/messages', { text: '' }, 'body.text'],
    ['POST', '/workspaces/ID/messages', { text: ['x'] }, 'body.text'],
    ['POST', '/api-keys', { name: 'a\u0000' }, 'body.name'],
    ['POST', '/api-keys', { name: 'x', expiresAt: 'tomorrow' }, 'body.expiresAt'],
    ['POST', '/api-keys', { name: 'x', expiresAt: '2020-01-01T00:00:00Z' }, 'body.expiresAt'],
    ['POST', '/api-keys', { name: 'x', expiresAt: '+275760-09-13T00:00:00.001Z' }, 'body.expiresAt'],
    ['POST', '/api-keys', { name: 'x', userId: 'someone' }, 'body.userId'],
    ['PUT', '/credentials/user/anthropic_api_key', { apiKey: 'sk-ant-api03-\u0000' }, 'body.apiKey'],
    ['PUT', '/credentials/user/anthropic_api_key', { apiKey: { toString: 'x' } }, 'body.apiKey'],
    ['PUT', '/credentials/user/openai_api_key', { ['k'.repeat(70)]: 1 }, `body.${'k'.repeat(70)}`],
    ['PUT', '/credentials/user/no_such_kind', {}, 'path.kind'],
    ['PUT', '/credentials/everybody/openai_api_key', {}, 'path.scope'],
  ])('%s %s with %j is 422', async (method, path, body, where) => {
    const problem = expectProblem(
      await api.call(method, api.path(path.replace('ID', workspaceId)), body),
      422,
      'validation-failed',
    );
    expect(problem.errors?.map((error) => error.path)).toContain(where);
  });

  it('of an organization that is being set up is no different', async () => {
    const body = {
      token: 'x',
      organization: { name: 'a\u0000', slug: 'a\u0000' },
      user: { name: '\u0000', email: 'a\u0000@x.org', password: 'correct horse battery' },
    };
    const problem = expectProblem(await api.call('POST', '/api/v1/setup', body), 422);
    expect(problem.errors).toHaveLength(4);
  });
});

describe('what is no request of HTTP', () => {
  it.each<[string, RawHeaders, number, string]>([
    ['headers of 20 KB', { 'x-long': 'x'.repeat(20_000) }, 431, 'headers-too-large'],
    ['a control character in a header', { 'x-odd': 'a\u0000b' }, 400, 'bad-request'],
    ['no host', { host: null }, 400, 'bad-request'],
    ['two lengths', { 'content-length': ['3', '4'] }, 400, 'bad-request'],
    ['a length beside chunks', { 'transfer-encoding': 'chunked' }, 400, 'bad-request'],
  ])('for %s is a problem like any other', async (_, headers, status, code) => {
    const answer = await exchange(
      berth.url,
      rawRequest({ method: 'POST', path: '/api/v1/setup', headers }, '{}'),
    );
    const problem = problemSchema.parse(JSON.parse(answer?.body ?? ''));
    expect(problem).toMatchObject({ status, code });
    expect(answer?.status).toBe(status);
    expect(answer?.headers).toContain('content-type: application/problem+json');
  });

  it('has no answer in the middle of another one', async () => {
    const { pathname } = new URL(api.path(`/workspaces/${workspaceId}/events`), berth.url);
    const headers = { authorization: `Bearer ${acme.owner.apiKey}`, accept: 'text/event-stream' };
    const socket = connect(Number(new URL(berth.url).port), '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.write(rawRequest({ method: 'GET', path: pathname, headers: { ...headers, connection: null } }));
    await eventually('the stream begins', () => heard.includes('workspace.state'));
    socket.write('nonsense\r\n\r\n');
    await eventually('it is cut off', () => socket.destroyed);
    expect(heard.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('is not an expectation that nobody knows: the request says what it wants', async () => {
    const headers = { expect: 'a-miracle', authorization: `Bearer ${acme.owner.apiKey}` };
    const answer = await exchange(berth.url, rawRequest({ method: 'GET', path: '/api/v1/me', headers }));
    expect(answer?.status).toBe(200);
  });
});

/** What is complained about, each place once. */
function pathsOf(problem: Problem): string[] {
  return [...new Set(problem.errors?.map(({ path }) => path))].sort();
}
