import { randomUUID } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { plantProbes, runProbe } from './hostile/agent.js';
import { asSuperuser, databaseOf } from './hostile/database.js';
import { runnerFileOf } from './hostile/host.js';
import { canary, found, needleOf, type Needle } from './hostile/needles.js';
import { TestSystem } from './support/system.js';

/** The one way out, and the two machine identities: what a hostile agent, a stolen placeholder and a stolen runner token come to. */

let system: TestSystem;
let mine: string;
let other: string;
let needles: Needle[];

beforeAll(async () => {
  system = await TestSystem.start();
  const keys = { anthropic_api_key: canary('sk-ant-api03-'), openai_api_key: canary('sk-') };
  system.anthropic.accept(keys.anthropic_api_key);
  system.openai.accept(keys.openai_api_key);
  await system.api.setCredential('user', 'anthropic_api_key', { apiKey: keys.anthropic_api_key });
  await system.api.setCredential('user', 'openai_api_key', { apiKey: keys.openai_api_key });
  needles = [
    needleOf('the Anthropic key', keys.anthropic_api_key, 'sk-ant-api03-'),
    needleOf('the OpenAI key', keys.openai_api_key, 'sk-'),
  ];
  mine = (await system.runningWorkspace('claude', 'mine')).id;
  other = (await system.runningWorkspace('codex', 'other')).id;
  await plantProbes(system, mine);
});
afterAll(() => system.close());

describe('a hostile agent at the proxy', () => {
  const BODY = JSON.stringify({
    model: 'claude-sonnet-4-5',
    max_tokens: 5,
    messages: [{ role: 'user', content: 'hello' }],
  });
  const auth =
    'x-api-key: {placeholder}\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n';
  const request = (line: string, headers = '', body = ''): string =>
    `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${auth}${headers}${body === '' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`;
  const bare = (line: string, headers: string, body = ''): string =>
    `${line} HTTP/1.1\r\nhost: x\r\n${headers}\r\n${body}`;
  const smuggled = 'GET /v1/organizations HTTP/1.1\r\nhost: x\r\n\r\n';

  /** Name: what is sent, and the status it must get ("" is a closed connection). */
  const probes: Record<string, [text: string, status: RegExp]> = {
    'the call it may make': [request('POST /anthropic/v1/messages', '', BODY), /^200$/],
    'no placeholder': [
      bare('POST /anthropic/v1/messages', 'content-length: 0\r\nconnection: close\r\n'),
      /^401$/,
    ],
    'a placeholder of its own making': [
      bare('GET /anthropic/v1/models', 'x-api-key: berth-0000\r\nconnection: close\r\n'),
      /^401$/,
    ],
    'another path of the API': [request('GET /anthropic/v1/organizations/me'), /^404$/],
    'files of the API': [request('GET /anthropic/v1/files'), /^404$/],
    'a path with dots': [request('GET /anthropic/v1/models/../../api/oauth/profile'), /^400$/],
    'a path with encoded dots': [request('GET /anthropic/v1/models/%2e%2e/files'), /^400$/],
    'the other provider': [request('POST /openai/v1/responses', '', BODY), /^401$/],
    'absolute form to the control plane': [request('GET {berth}/internal/v1/proxy/lease'), /^403$/],
    'absolute form to the provider': [request('GET {anthropic}/v1/models'), /^403$/],
    'CONNECT to the control plane': [request('CONNECT {authority}'), /^403$/],
    'a lease': [request('POST /internal/v1/proxy/lease', '', '{"upstream":"anthropic"}'), /^404$/],
    'the REST API': [request('GET /api/v1/me'), /^404$/],
    'another host by header': [request('GET /anthropic/v1/models', 'x-forwarded-host: evil\r\n'), /^200$/],
    'somebody’s git': [
      request('GET /git/github.com/acme/app.git/info/refs?service=git-upload-pack'),
      /^403$/,
    ],
    TRACE: [request('TRACE /anthropic/v1/messages'), /^404$/],
    'two lengths': [
      bare(
        'POST /anthropic/v1/messages',
        `${auth}content-length: 0\r\ncontent-length: ${smuggled.length}\r\n`,
        smuggled,
      ),
      /^400$/,
    ],
    'length and chunks': [
      bare(
        'POST /anthropic/v1/messages',
        `${auth}content-length: 5\r\ntransfer-encoding: chunked\r\n`,
        `0\r\n\r\n${smuggled}`,
      ),
      /^400$/,
    ],
    'chunks by another name': [
      bare('POST /anthropic/v1/messages', `${auth}transfer-encoding: xchunked\r\n`, `0\r\n\r\n${smuggled}`),
      /^400$/,
    ],
    'a chunk that is not one': [
      bare('POST /anthropic/v1/messages', `${auth}transfer-encoding: chunked\r\n`, `-1\r\n${smuggled}`),
      /^(400)?$/,
    ],
    'a bare line feed': [
      `GET /anthropic/v1/models HTTP/1.1\nhost: x\n${auth.replaceAll('\r', '')}\n`,
      /^400$/,
    ],
    'a header with a line break': [request('GET /anthropic/v1/models', 'a: b\rx-evil: c\r\n'), /^400$/],
    'headers without end': [bare('GET /anthropic/v1/models', `a: ${'x'.repeat(100_000)}\r\n`), /^(431)?$/],
    'a connection header that drops the credential': [
      request('GET /anthropic/v1/models', 'connection: x-api-key, authorization\r\n'),
      /^200$/,
    ],
  };

  it('gets what an agent gets, and nothing else', async () => {
    const { url } = system.berth;
    const fill = (text: string): string =>
      text
        .replaceAll('{berth}', url)
        .replaceAll('{anthropic}', system.anthropic.url)
        .replaceAll('{authority}', new URL(url).host);
    const requests = Object.fromEntries(Object.entries(probes).map(([name, [text]]) => [name, fill(text)]));
    system.anthropic.reset();
    const report = await runProbe<{ answers: Record<string, string>; hasPlaceholder: boolean }>(
      system,
      mine,
      'proxy',
      { requests },
    );

    expect(report.hasPlaceholder).toBe(true);
    const wrong = Object.entries(probes).flatMap(([name, [, expected]]) => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(report.answers[name] ?? '')?.[1] ?? '';
      return expected.test(status) ? [] : [`${name}: ${status || 'closed'}`];
    });
    expect(wrong).toEqual([]);
    expect(found(needles, Buffer.from(JSON.stringify(report)))).toEqual([]);
    // Upstream saw only what is allowed, each with one credential, ours, and nothing that was smuggled.
    const seen = new Set(
      system.anthropic.requests.map(
        ({ method, path: asked, credential }) => `${method} ${asked} ${credential.kind}`,
      ),
    );
    expect([...seen].sort()).toEqual(['GET /v1/models x-api-key', 'POST /v1/messages x-api-key']);
    const hosts = new Set(system.anthropic.requests.map(({ headers }) => headers.host));
    expect([...hosts]).toEqual([new URL(system.anthropic.url).host]);
    expect(system.openai.requests).toEqual([]);
  });
});

describe('a stolen placeholder', () => {
  function ask(socketOf: string, pathname: string, placeholder: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const socketPath = path.join(runnerFileOf(system, socketOf).socketDirectory, 's');
      http
        .get(
          {
            socketPath,
            path: pathname,
            headers: { authorization: `Bearer ${placeholder}`, 'anthropic-version': '2023-06-01' },
          },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        )
        .on('error', reject);
    });
  }

  it('is worth nothing at another workspace’s socket, nor at Berth', async () => {
    const placeholder = runnerFileOf(system, mine).placeholder;
    expect(await ask(mine, '/anthropic/v1/models', placeholder)).toBe(200);
    expect(await ask(other, '/openai/v1/models', runnerFileOf(system, other).placeholder)).toBe(200);
    expect(await ask(other, '/openai/v1/models', placeholder)).toBe(401);
    expect(await ask(other, '/anthropic/v1/models', placeholder)).toBe(401);
    expect(await ask(mine, '/anthropic/v1/models', runnerFileOf(system, other).placeholder)).toBe(401);

    const thief = system.api.as(placeholder);
    for (const asked of ['/api/v1/me', thief.path('/credentials')])
      expect((await thief.call('GET', asked)).status).toBe(401);
    for (const asked of ['proxy/lease', 'proxy/report', 'runner/hello', 'runner/claim']) {
      expect((await thief.call('POST', `/internal/v1/${asked}`, {})).status).toBe(401);
    }
  });
});

describe('a stolen runner token', () => {
  it('gets no lease, no API, and no other workspace', async () => {
    const message = await system.api.send(other, 'create first.txt');
    await system.api.untilEnded(other, message.id);
    const before = JSON.stringify([
      await system.api.messages(other),
      await system.api.events(other),
      await system.api.workspace(other),
    ]);
    const thief = system.api.as(runnerFileOf(system, mine).runnerToken);

    const lease = await thief.call('POST', '/internal/v1/proxy/lease', { upstream: 'anthropic' });
    expect(lease).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect((await thief.call('POST', '/internal/v1/proxy/report', { items: [] })).status).toBe(401);
    for (const asked of [
      '/api/v1/me',
      thief.path(''),
      thief.path('/credentials'),
      thief.path(`/workspaces/${mine}`),
    ]) {
      expect((await thief.call('GET', asked)).status).toBe(401);
    }

    // It may claim to be the runner of its own workspace; facts about another's turn are nobody's.
    const { runnerId, attemptId } = await identityOf(message.id);
    const hello = await thief.call('POST', '/internal/v1/runner/hello', { runnerId: randomUUID(), pid: 1 });
    expect(hello).toMatchObject({ status: 200, body: { workspaceId: mine } });
    const asOther = {
      runnerId,
      items: [{ n: 1, type: 'workspace.failed', code: 'git-failed', message: 'forged' }],
    };
    expect((await thief.call('POST', '/internal/v1/runner/report', asOther)).status).toBe(401);
    const mineNow = randomUUID();
    await thief.call('POST', '/internal/v1/runner/hello', { runnerId: mineNow, pid: 1 }, 200);
    const turn = { turnId: message.id, attemptId };
    const items = [
      { n: 1, type: 'agent.answer', ...turn, text: 'forged' },
      { n: 2, type: 'agent.text', ...turn, text: 'forged' },
      { n: 3, type: 'git.pushed', ...turn, branch: 'main', commit: 'forged' },
      { n: 4, type: 'turn.finished', ...turn, outcome: { result: 'canceled' }, ageSeconds: 0 },
    ];
    await thief.call('POST', '/internal/v1/runner/report', { runnerId: mineNow, items });

    expect(
      JSON.stringify([
        await system.api.messages(other),
        await system.api.events(other),
        await system.api.workspace(other),
      ]),
    ).toBe(before);
    expect(JSON.stringify(await system.api.events(mine))).not.toContain('forged');
  });

  /** The names under which the other workspace's real runner works; a thief could not even know them. */
  async function identityOf(turnId: string): Promise<{ runnerId: string; attemptId: string }> {
    return asSuperuser(await databaseOf(system.berth.dataDirectory), async (client) => {
      const { rows } = await client.query<{ runner_id: string; attempt_id: string }>(
        'SELECT w.runner_id, t.attempt_id FROM turn t JOIN workspace w ON w.id = t.workspace_id WHERE t.id = $1',
        [turnId],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('There is no such turn.');
      return { runnerId: row.runner_id, attemptId: row.attempt_id };
    });
  }
});
