import { once } from 'node:events';
import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../../test/emulators/bedrock.js';
import { until } from '../../test/emulators/until.js';
import type { Lease } from '../contracts/proxy.js';
import { begin, send, type Answer, type Call } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const KEY: AwsKey = {
  accessKeyId: 'ASIAPROXYTESTS000001',
  secretAccessKey: 'secretOfTheAwsKeyNoAgentMaySee0000000001',
  sessionToken: 'sessionTokenNoAgentMaySee//0000000000000001==',
};
const lent = (key: AwsKey, region = 'us-east-1'): Lease['secret'] => ({
  kind: 'aws_bedrock',
  accessKeyId: key.accessKeyId,
  secretAccessKey: key.secretAccessKey,
  sessionToken: key.sessionToken ?? null,
  region,
});
const OTHER: AwsKey = {
  accessKeyId: 'AKIAPROXYTESTS000002',
  secretAccessKey: 'theOtherSecretNoAgentMaySee0000000000002',
};
const NO_AGENT_MAY_SEE = /NoAgentMaySee/;

describe('Bedrock behind an agent of Anthropic’s', () => {
  let bedrock: BedrockEmulator;
  let proxy: ProxyUnderTest;

  beforeEach(async () => {
    bedrock = await startBedrockEmulator();
    bedrock.keys.accept(KEY);
    proxy = await startProxy((_, response) => response.writeHead(500).end(), {
      bedrockUrl: bedrock.url,
      limits: { notYetSeconds: 0.01 },
    });
    proxy.controlPlane.lease(lent(KEY));
  });

  afterEach(async () => {
    expect(proxy.log.lines.join('\n')).not.toMatch(NO_AGENT_MAY_SEE);
    await Promise.all([proxy.close(), bedrock.close()]);
  });

  const message = (more: object = {}): Call => ({
    path: '/anthropic/v1/messages?beta=true',
    headers: {
      authorization: `Bearer ${PLACEHOLDER}`,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219,oauth-2025-04-20,prompt-caching-scope-2026-01-05',
      'x-claude-code-session-id': 'a-session',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-6',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'Good day' }],
      ...more,
    }),
  });

  const ask = async (more: object = {}): Promise<Answer> => {
    const answer = await send(proxy.socket, message(more));
    expect(JSON.stringify(answer)).not.toMatch(NO_AGENT_MAY_SEE);
    return answer;
  };
  const errorOf = ({ status, body }: Answer): unknown[] => {
    const { error } = JSON.parse(body) as { error: { type: string; message: string } };
    return [status, error.type, error.message];
  };

  it('answers a message, and its receipt and tokens are told', async () => {
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      model: 'claude-sonnet-4-6',
      content: [{ text: 'You said: Good day' }],
    });
    expect(answer.headers['request-id']).toBeDefined();
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-amzn'))).toEqual([]);
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    expect(proxy.controlPlane.reports('served')).toHaveLength(1);
    const [usage] = proxy.controlPlane.reports('usage');
    expect(usage).toMatchObject({ model: 'claude-sonnet-4-6', cacheReadTokens: 0 });
    expect(usage?.outputTokens).toBeGreaterThan(1);
    const [request] = bedrock.requests;
    expect(request).toMatchObject({
      path: '/model/us.anthropic.claude-sonnet-4-6/invoke',
      query: '',
      credential: { kind: 'aws', value: KEY.accessKeyId },
      asked: ['Good day'],
    });
    // AWS has no business with the agent's sessions, and none with its placeholder.
    expect(JSON.stringify(request?.headers)).not.toMatch(/a-session|placeholder|anthropic-/);
  });

  it('answers a stream with server-sent events as they come', async () => {
    const { response } = await begin(
      proxy.socket,
      message({ stream: true, messages: [{ role: 'user', content: 'slow 2' }] }),
    );
    expect(response.headers['content-type']).toMatch(/^text\/event-stream/);
    let told = '';
    response.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await until('the first events, before there is a piece', () => told.includes('content_block_start'));
    expect(told).not.toContain('piece 1');
    bedrock.release();
    await until('the first piece alone', () => told.includes('piece 1 of 2'));
    expect(told).not.toContain('piece 2 of 2');
    bedrock.release();
    await once(response, 'end');
    const names = [...told.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
    expect(names).toEqual([
      ...['message_start', 'content_block_start', 'content_block_delta', 'content_block_delta'],
      ...['content_block_stop', 'message_delta', 'message_stop'],
    ]);
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    const [usage] = proxy.controlPlane.reports('usage');
    expect(usage?.inputTokens).toBeGreaterThan(1);
    expect(usage?.outputTokens).toBeGreaterThan(1);
  });

  it('counts tokens, and has no list of models', async () => {
    const counted = await send(proxy.socket, { ...message(), path: '/anthropic/v1/messages/count_tokens' });
    expect(counted.status).toBe(200);
    expect((JSON.parse(counted.body) as { input_tokens: number }).input_tokens).toBeGreaterThan(1);
    const { headers = {} } = message();
    const models = await send(proxy.socket, { method: 'GET', path: '/anthropic/v1/models', headers });
    expect(errorOf(models).slice(0, 2)).toEqual([404, 'not_found_error']);
    expect(bedrock.requests).toHaveLength(1);
  });

  it('is cut off where Bedrock is', async () => {
    bedrock.fail({ mode: 'cut-mid-stream' });
    const { response } = await begin(proxy.socket, message({ stream: true }));
    let told = '';
    response.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await expect(once(response, 'end')).rejects.toThrow('aborted');
    expect(told).toContain('content_block_delta');
    expect(told).not.toContain('message_stop');
  });

  it('is told in its stream what Bedrock tells in its own', async () => {
    bedrock.fail({
      mode: 'error-mid-stream',
      body: { type: 'modelStreamErrorException', message: 'It broke.' },
    });
    const { status, body } = await ask({ stream: true });
    expect(status).toBe(200);
    expect(body.trimEnd().split('\n').slice(-2)).toEqual([
      'event: error',
      'data: {"type":"error","error":{"type":"api_error","message":"It broke."}}',
    ]);
  });

  it('ends Bedrock’s call when the agent leaves', async () => {
    const { request } = await begin(
      proxy.socket,
      message({ stream: true, messages: [{ role: 'user', content: 'slow 2' }] }),
    );
    await until('the model waits', () => bedrock.waiting === 1);
    request.destroy();
    await until('the model is left alone', () => bedrock.waiting === 0);
  });

  it.each([
    ['a key that is not known', 'unrecognized_client_exception', () => bedrock.revoke(KEY.accessKeyId)],
    ['a session that ran out', 'expired_token_exception', () => bedrock.keys.expire(KEY.accessKeyId)],
    [
      'another secret',
      'invalid_signature_exception',
      () => bedrock.keys.accept({ ...KEY, secretAccessKey: 'x' }),
    ],
    [
      'another session',
      'unrecognized_client_exception',
      () => bedrock.keys.accept({ ...KEY, sessionToken: 'x' }),
    ],
  ])('refuses %s, and the next key serves while the agent waits', async (_, errorType, change) => {
    change();
    bedrock.keys.accept(OTHER);
    proxy.controlPlane.succession([lent(KEY), lent(OTHER)]);
    expect((await ask({ stream: true })).status).toBe(200);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([{ generation: 1, status: 401, errorType }]);
    expect(bedrock.requests.map(({ credential }) => credential.value)).toEqual([
      KEY.accessKeyId,
      OTHER.accessKeyId,
    ]);
  });

  it('refuses a region that the key is not signed for', async () => {
    proxy.controlPlane.succession([lent(KEY, 'eu-west-1')]);
    expect(errorOf(await ask())).toEqual([
      401,
      'authentication_error',
      'Anthropic refused the credential that Berth holds for this workspace: "berth credentials explain" says why. Set or connect it anew.',
    ]);
  });

  it.each([
    ['AccessDeniedException', 403, 'permission_error'],
    ['FTUFormNotFilled', 403, 'permission_error'],
    ['ThrottlingException', 429, 'rate_limit_error'],
    ['ServiceUnavailableException', 529, 'overloaded_error'],
    ['ValidationException', 400, 'invalid_request_error'],
    ['InternalServerException', 500, 'api_error'],
  ])('says %s as %i %s', async (code, status, type) => {
    bedrock.failWith(code, { message: 'What AWS says.' });
    expect(errorOf(await ask({ stream: true }))).toEqual([status, type, 'What AWS says.']);
    const what = { 403: 'denied', 429: 'limited' }[status];
    await until('what is told', () => proxy.controlPlane.accepted.size === (what ? 1 : 0));
    expect([...proxy.controlPlane.accepted.values()].map((item) => item.type)).toEqual(what ? [what] : []);
    expect(proxy.controlPlane.reports('refused')).toEqual([]);
  });

  it.each([
    [{ model: 'gpt-5' }, /not known at AWS Bedrock/],
    [{ model: 'us.anthropic.claude-nothing' }, /The provided model identifier is invalid/],
    [{ model: 'anthropic.claude-sonnet-4-6' }, /with on-demand throughput isn’t supported/],
    [{ max_tokens: -1 }, /max_tokens/],
  ])('refuses %j in words that say why', async (more, words) => {
    const [status, type, text] = errorOf(await ask(more));
    expect([status, type]).toEqual([400, 'invalid_request_error']);
    expect(text).toMatch(words);
  });
});

describe('Bedrock behind an agent that speaks it itself', () => {
  let bedrock: BedrockEmulator;
  let proxy: ProxyUnderTest;

  beforeEach(async () => {
    bedrock = await startBedrockEmulator();
    bedrock.keys.accept(KEY);
    proxy = await startProxy((_, response) => response.writeHead(500).end(), {
      bedrockUrl: `${bedrock.url}/`,
      limits: { notYetSeconds: 0.01 },
    });
    proxy.controlPlane.lease(lent(KEY));
  });

  afterEach(async () => {
    expect(proxy.log.lines.join('\n')).not.toMatch(NO_AGENT_MAY_SEE);
    await Promise.all([proxy.close(), bedrock.close()]);
  });

  const call = (
    operation: string,
    headers: object = {},
    model = 'us.anthropic.claude-sonnet-4-5-20250929-v1%3A0',
  ): Call => ({
    path: `/bedrock/model/${model}/${operation}`,
    headers: { authorization: `Bearer ${PLACEHOLDER}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'Good day' }],
    }),
  });

  it('is signed, and passed on as it is; tokens are read from a copy', async () => {
    const own = {
      'x-amz-date': '19990101T000000Z',
      'X-Amz-Security-Token': 'mine',
      'x-amzn-bedrock-trace': 'ENABLED',
    };
    const answer = await send(proxy.socket, call('invoke-with-response-stream', own));
    expect([answer.status, answer.headers['content-type']]).toEqual([
      200,
      'application/vnd.amazon.eventstream',
    ]);
    expect(answer.headers['x-amzn-requestid']).toBeDefined();
    expect(answer.body).toContain(':event-type');
    const { headers = {} } = bedrock.requests[0] ?? {};
    expect(headers).toMatchObject({
      'x-amzn-bedrock-trace': 'ENABLED',
      'x-amz-security-token': KEY.sessionToken,
    });
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    const [usage] = proxy.controlPlane.reports('usage');
    expect(usage).toMatchObject({ model: 'claude-sonnet-4-5-20250929' });
    expect(usage?.outputTokens).toBeGreaterThan(1);
    expect(proxy.controlPlane.leaseCalls.map(({ upstream }) => upstream)).toEqual(['bedrock']);
  });

  it('gets a whole message, with its receipt', async () => {
    const answer = await send(proxy.socket, call('invoke'));
    expect(JSON.parse(answer.body)).toMatchObject({ content: [{ text: 'You said: Good day' }] });
    await until('the usage', () => proxy.controlPlane.reports('usage').length === 1);
    expect(proxy.controlPlane.reports('served')).toHaveLength(1);
  });

  it('waits while a key is refused, and sees AWS’s own error where the call is', async () => {
    bedrock.keys.accept(OTHER);
    bedrock.keys.expire(KEY.accessKeyId);
    proxy.controlPlane.succession([lent(KEY), lent(OTHER)]);
    expect((await send(proxy.socket, call('invoke'))).status).toBe(200);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([
      { generation: 1, status: 403, errorType: 'expired_token_exception' },
    ]);
    bedrock.failWith('AccessDeniedException', { message: 'You may not.' });
    const denied = await send(proxy.socket, call('invoke'));
    expect([denied.status, denied.body]).toEqual([403, '{"message":"You may not."}']);
    expect(denied.headers['x-amzn-errortype']).toMatch(/^AccessDeniedException/);
    await until('what is told', () => proxy.controlPlane.reports('denied').length === 1);
  });

  it.each([
    ['/bedrock/inference-profiles?type=SYSTEM_DEFINED', 'GET', 404, 'ResourceNotFoundException'],
    ['/bedrock/model/amazon.nova-pro-v1%3A0/invoke', 'POST', 404, 'ResourceNotFoundException'],
    ['/bedrock/model/us.anthropic.claude-x%2F..%2Fy/invoke', 'POST', 400, 'ValidationException'],
  ])('is refused %s', async (path, method, status, code) => {
    const answer = await send(proxy.socket, { ...call('invoke'), path, method });
    expect([answer.status, (JSON.parse(answer.body) as { __type: string }).__type]).toEqual([status, code]);
    expect(bedrock.requests).toEqual([]);
  });

  it('is refused without the placeholder, whatever it signs itself', async () => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIA/20261126/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00';
    expect((await send(proxy.socket, call('invoke', { authorization }))).status).toBe(401);
    expect(bedrock.requests).toEqual([]);
  });
});

describe('a clock that is off', () => {
  it('is no fault of the key', async () => {
    const ahead = { now: () => new Date(Date.now() + 10 * 60_000) };
    const bedrock = await startBedrockEmulator({ clock: ahead });
    bedrock.keys.accept(KEY);
    const proxy = await startProxy((_, response) => response.end(), { bedrockUrl: bedrock.url });
    proxy.controlPlane.lease(lent(KEY));
    const { status, body } = await send(proxy.socket, {
      path: '/anthropic/v1/messages',
      headers: { 'x-api-key': PLACEHOLDER },
      body: JSON.stringify({
        model: 'claude-sonnet-4-6',
        max_tokens: 1,
        messages: [{ role: 'user', content: 'x' }],
      }),
    });
    expect([status, body]).toEqual([403, expect.stringContaining('the clock of the machine')]);
    await until('what is told', () => proxy.controlPlane.accepted.size === 1);
    expect(proxy.controlPlane.reports('refused')).toEqual([]);
    await Promise.all([proxy.close(), bedrock.close()]);
  });
});
