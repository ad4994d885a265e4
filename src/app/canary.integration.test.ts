import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { startTestApp, type TestApp } from '../../test/support/app.js';
import { Canary, findCanaries, findInDatabase } from '../../test/support/canary.js';
import { requestJson } from '../../test/support/http.js';
import { TestRedis } from '../../test/support/redis.js';
import { withClient } from '../../test/support/tables.js';
import type { Lease, WorkspaceView } from '../contracts/index.js';
import { systemIds } from '../kernel/index.js';
import { createLog } from './log.js';

const upper = (length: number): string =>
  [...randomBytes(length)].map((byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');

/** Every kind of secret that a person brings, once per scope. */
function credentialsOf(scope: string) {
  const of = (what: string, prefix: string, random?: string): Canary =>
    new Canary(`${scope} ${what}`, prefix, random);
  const canaries = {
    anthropic: of('Anthropic key', 'sk-ant-api03-'),
    setup: of('setup token', 'sk-ant-oat01-'),
    openai: of('OpenAI key', 'sk-proj-'),
    awsSecret: of('AWS secret', '', randomBytes(30).toString('base64')),
    awsSession: of('AWS session token', 'IQoJ', randomBytes(60).toString('base64')),
    awsId: of('AWS key id', 'ASIA', upper(32)),
  };
  const bodies = {
    anthropic_api_key: { apiKey: canaries.anthropic.text },
    claude_setup_token: { token: canaries.setup.text },
    openai_api_key: { apiKey: canaries.openai.text },
    aws_bedrock: {
      accessKeyId: canaries.awsId.text,
      secretAccessKey: canaries.awsSecret.text,
      sessionToken: canaries.awsSession.text,
      region: 'eu-central-1',
    },
  };
  return { canaries: Object.values(canaries), bodies };
}

describe.each(['Postgres', 'Redis'])('no secret is seen, with the queue on %s', (store) => {
  let redis: TestRedis | null;
  let watched: Awaited<ReturnType<TestRedis['watch']>> | null;
  let berth: TestApp;
  let logged = '';
  const answers: string[] = [];
  const [mine, ours, replaced, mistaken] = ['user', 'organization', 'replaced', 'mistaken'].map(
    credentialsOf,
  ) as [
    ReturnType<typeof credentialsOf>,
    ReturnType<typeof credentialsOf>,
    ReturnType<typeof credentialsOf>,
    ReturnType<typeof credentialsOf>,
  ];
  const password = new Canary('password', '');
  const guess = new Canary('wrong password', '');
  const canaries = [
    ...mine.canaries,
    ...ours.canaries,
    ...replaced.canaries,
    ...mistaken.canaries,
    password,
    guess,
  ];

  beforeAll(async () => {
    const log = createLog('debug', { write: (line: string) => void (logged += line) });
    redis = store === 'Redis' ? await TestRedis.start() : null;
    watched = redis && (await redis.watch());
    berth = await startTestApp({ log, worker: true, redisUrl: redis?.url });
    await live();
  });
  afterAll(async () => {
    await berth.close();
    watched?.stop();
    await redis?.remove();
  });

  /** An answer that is remembered, to be searched. */
  async function call<T>(method: string, path: string, body?: unknown, bearer?: string): Promise<T> {
    const answer = await requestJson<T>(
      `${berth.url}${path}`,
      method,
      body,
      bearer ? { authorization: `Bearer ${bearer}` } : {},
    );
    answers.push(`${method} ${path}: ${JSON.stringify(answer.body)} ${JSON.stringify([...answer.headers])}`);
    return answer.body;
  }
  /** Its answer is what hands a secret out, and so is not searched. */
  async function handOut<T>(path: string, body: unknown, bearer?: string): Promise<T> {
    const { body: answer } = await requestJson<T>(
      `${berth.url}${path}`,
      'POST',
      body,
      bearer ? { authorization: `Bearer ${bearer}` } : {},
    );
    return answer;
  }
  const org = '/api/v1/organizations/acme';

  /** A life with everything in it that touches a secret, also by mistake. */
  async function live(): Promise<void> {
    const user = { name: 'Ada', email: 'ada@example.com', password: password.text };
    const setUp = { token: berth.setupToken, organization: { name: 'Acme', slug: 'acme' }, user };
    const { apiKey } = await handOut<{ apiKey: string }>('/api/v1/setup', setUp);
    const key = remember('API key', apiKey);
    const second = await handOut<{ apiKey: string; id: string }>(`${org}/api-keys`, { name: 'second' }, key);
    remember('second API key', second.apiKey);
    remember('setup token', berth.setupToken);
    await signInAndOut();
    await setAll(key);
    await mistakes(key);
    const workspace = await call<WorkspaceView>(
      'POST',
      `${org}/workspaces`,
      { repository: 'owner/name', message: 'hello' },
      key,
    );
    await work(key, workspace.id);
    for (const kind of Object.keys(mine.bodies))
      await call('DELETE', `${org}/credentials/user/${kind}`, undefined, key);
    for (const list of [
      '/credentials',
      '/api-keys',
      '/members',
      '/workspaces',
      `/workspaces/${workspace.id}/operations`,
      `/workspaces/${workspace.id}/messages`,
      `/workspaces/${workspace.id}/events`,
    ]) {
      await call('GET', org + list, undefined, key);
    }
    for (const path of [`${org}/audit`, '/api/v1/instance/audit'])
      for (const part of ['?limit=100', '/verification', '/export'])
        await call('GET', path + part, undefined, key);
    await call('POST', '/api/v1/instance/keys/rotate', undefined, key);
    await call('GET', '/api/v1/instance/keys', undefined, key);
  }

  function remember(name: string, text: string): string {
    canaries.push(new Canary(name, '', text.replace(/^berth_[a-z2-7]{8}_/, '')));
    return text;
  }

  async function signInAndOut(): Promise<void> {
    await call('POST', '/api/v1/session', { email: 'ada@example.com', password: guess.text });
    await call('POST', '/api/v1/session', { email: 'ada@example.com', password: { text: guess.text } });
    const answer = await requestJson(`${berth.url}/api/v1/session`, 'POST', {
      email: 'ada@example.com',
      password: password.text,
    });
    const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    remember('session token', cookie.replace('berth_session=', ''));
    await requestJson(`${berth.url}/api/v1/me`, 'GET', undefined, { cookie });
    await requestJson(`${berth.url}/api/v1/session`, 'DELETE', undefined, { cookie, origin: berth.url });
  }

  async function setAll(key: string): Promise<void> {
    for (const { scope, bodies } of [
      { scope: 'user', ...replaced },
      { scope: 'user', ...mine },
      { scope: 'organization', ...ours },
    ]) {
      for (const [kind, body] of Object.entries(bodies))
        await call('PUT', `${org}/credentials/${scope}/${kind}`, body, key);
    }
    for (const agent of ['claude', 'codex'])
      await call('GET', `${org}/credentials/resolution?agent=${agent}`, undefined, key);
  }

  /** Secrets where they do not belong. The key's name is the one thing that is shown back, so none is used as one. */
  async function mistakes(key: string): Promise<void> {
    const [anthropic, setup, openai, secret] = mistaken.canaries.map(({ text }) => text);
    const wrong: [string, unknown][] = [
      ['anthropic_api_key', { apiKey: setup }],
      ['anthropic_api_key', { apiKey: ` ${anthropic ?? ''}` }],
      ['anthropic_api_key', { apiKey: [anthropic] }],
      ['anthropic_api_key', { apikey: anthropic }],
      ['claude_setup_token', { token: anthropic }],
      ['openai_api_key', { apiKey: anthropic, fallback: secret }],
      ['aws_bedrock', { accessKeyId: secret, secretAccessKey: anthropic, region: openai }],
      ['aws_bedrock', anthropic],
    ];
    for (const [kind, body] of wrong) await call('PUT', `${org}/credentials/user/${kind}`, body, key);
    await call(
      'POST',
      `${org}/workspaces`,
      { repository: `https://user:${openai ?? ''}@github.com/a/b` },
      key,
    );
    await call('GET', `/api/v1/me`, undefined, anthropic);
    await requestJson(`${berth.url}/setup?token=${openai ?? ''}`, 'GET', undefined);
    await requestJson(`${berth.url}/api/v1/me?access_token=${secret ?? ''}`, 'GET', undefined);
    const broken = {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: `{"apiKey":"${anthropic ?? ''}"`,
    };
    answers.push(await (await fetch(`${berth.url}${org}/credentials/user/anthropic_api_key`, broken)).text());
  }

  /** The runner starts, the proxy leases and reports a refusal, then the workspace sleeps and is deleted. */
  async function work(key: string, workspaceId: string): Promise<void> {
    const started = await berth
      .api(null)
      .poll('the runner is started', () => Promise.resolve(berth.runtime.callsOf('start')[0] ?? null));
    const { runnerToken, proxyToken } = started.request;
    remember('runner token', runnerToken);
    remember('proxy token', proxyToken);
    const runnerId = systemIds.next();
    await call('POST', '/internal/v1/runner/hello', { runnerId, pid: 1 }, runnerToken);
    await call(
      'POST',
      '/internal/v1/runner/report',
      { runnerId, items: [{ n: 1, type: 'workspace.prepared' }] },
      runnerToken,
    );
    const lease = await handOut<Lease>('/internal/v1/proxy/lease', { upstream: 'anthropic' }, proxyToken);
    expect(mine.bodies.claude_setup_token.token).toBe('token' in lease.secret ? lease.secret.token : '');
    const { credentialId, generation } = lease;
    const refused = {
      id: systemIds.next(),
      type: 'refused',
      credentialId,
      generation,
      status: 401,
      errorType: 'authentication_error',
    };
    await call('POST', '/internal/v1/proxy/report', { items: [refused] }, proxyToken);
    await call('POST', '/internal/v1/proxy/lease', { upstream: 'openai' }, proxyToken);
    await call('POST', `${org}/workspaces/${workspaceId}/hibernate`, undefined, key);
    const api = berth.api(key, 'acme');
    await api.untilState(workspaceId, 'hibernated');
  }

  it('was a life in which every kind was stored and served', async () => {
    expect(
      answers.filter((answer) => answer.startsWith('PUT') && answer.includes('"generation":2')),
    ).toHaveLength(4);
    expect(answers.filter((answer) => answer.includes('validation-failed')).length).toBeGreaterThanOrEqual(8);
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query<{ sealed: string }>('SELECT sealed FROM credential'),
    );
    expect(rows).toHaveLength(Object.keys(ours.bodies).length);
    for (const { sealed } of rows)
      expect(Object.keys(JSON.parse(sealed) as object)).toEqual(
        expect.arrayContaining(['ciphertext', 'encrypted_key', 'protected', 'tag']),
      );
    expect(logged.split('\n').length).toBeGreaterThan(30);
    expect(canaries).toHaveLength(4 * 6 + 2 + 6);
  });

  it('in the log, at debug level', () => {
    expect(findCanaries(canaries, logged)).toEqual([]);
  });

  it('in any answer', () => {
    for (const answer of answers)
      expect([answer.slice(0, 80), findCanaries(canaries, answer)]).toEqual([answer.slice(0, 80), []]);
  });

  it('in any table of any schema, the queue’s too', async () => {
    expect(await findInDatabase(canaries, berth.database.ownerUrl)).toEqual([]);
  });

  it('in any key of Redis, nor in anything that was sent to it', async () => {
    if (!redis || !watched) return;
    const keys = await redis.dump();
    // The queue and the notices went over it: done jobs are dropped at once, so that they were there is seen in what was sent.
    expect([...keys.keys()].some((key) => key.includes(':berth:'))).toBe(true);
    expect(watched.text()).toContain('workspace.reconcile');
    expect(watched.text()).toContain('"publish"');
    for (const [key, value] of keys) expect([key, findCanaries(canaries, value)]).toEqual([key, []]);
    expect(findCanaries(canaries, watched.text())).toEqual([]);
  });

  it('by a search that would find it', async () => {
    const [canary] = canaries as [Canary];
    const forms: [string, string][] = [
      ['as it is', canary.text],
      ['in base64', Buffer.from(`{"apiKey":"${canary.text}"}`).toString('base64')],
      ['in base64, one further', Buffer.from(`x{"apiKey":"${canary.text}"}`).toString('base64')],
      ['in base64, two further', Buffer.from(`xx{"apiKey":"${canary.text}"}`).toString('base64')],
      ['in base64url', Buffer.from(canary.text).toString('base64url')],
      ['in hex', Buffer.from(canary.text).toString('hex')],
      ['packed', gzipSync(`{"apiKey":"${canary.text}"}`).toString('base64')],
      ['in part', canary.random.slice(0, 12)],
    ];
    for (const [how, text] of forms)
      expect([how, findCanaries([canary], `before ${text} after`).length]).toEqual([how, 1]);
    const planted = { text: forms[1]?.[1] };
    await withClient(berth.database.ownerUrl, async (client) => {
      await client.query('CREATE TABLE bullmq.planted (id int, value jsonb, bytes bytea)');
      await client.query('INSERT INTO bullmq.planted VALUES (1, $1, NULL), (2, NULL, $2)', [
        planted,
        Buffer.from(canary.text),
      ]);
    });
    const found = await findInDatabase(canaries, berth.database.ownerUrl);
    expect(found).toEqual(Array(2).fill(expect.stringContaining('"bullmq"."planted": user Anthropic key')));
  });
});
