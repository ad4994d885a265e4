import { startAnthropicEmulator, type AnthropicEmulator } from './anthropic.js';
import { allEvents } from './read-events.js';
import { until } from './until.js';

const KEY = 'sk-ant-api03-known';
const TOKEN = 'sk-ant-oat01-known';
const IDENTITY = [{ type: 'text', text: "You are a Claude agent, built on Anthropic's Claude Agent SDK." }];
const WRITE = { name: 'Write', input_schema: {} };
const BASH = { name: 'Bash', input_schema: {} };
const VERSION = { 'anthropic-version': '2023-06-01' };
const WITH_KEY = { ...VERSION, 'x-api-key': KEY };
const WITH_TOKEN = {
  ...VERSION,
  authorization: `Bearer ${TOKEN}`,
  'anthropic-beta': 'x-1, oauth-2025-04-20',
};

let emulator: AnthropicEmulator;
beforeEach(async () => {
  emulator = await startAnthropicEmulator();
  emulator.accept(KEY);
  emulator.accept(TOKEN);
});
afterEach(() => emulator.close());

function ask(text: string, more: object = {}): object {
  return {
    model: 'claude-sonnet-4-5',
    max_tokens: 100,
    messages: [{ role: 'user', content: text }],
    ...more,
  };
}

function post(headers: Record<string, string>, body: object, signal?: AbortSignal): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, signal };
  return fetch(`${emulator.url}/v1/messages?beta=true`, { ...init, body: JSON.stringify(body) });
}

async function refusal(answer: Response): Promise<[number, string, string]> {
  const body = (await answer.json()) as {
    type: string;
    error: { type: string; message: string };
    request_id: string;
  };
  expect(body.type).toBe('error');
  expect(body.request_id).toBe(answer.headers.get('request-id'));
  return [answer.status, body.error.type, body.error.message];
}

interface Event {
  type: string;
  delta?: { text?: string; partial_json?: string; stop_reason?: string };
  content_block?: object;
}

const eventsOf = (answer: Response): Promise<Event[]> => allEvents<Event>(answer);

describe('credentials', () => {
  const unauthorized = (message: string) => [401, 'authentication_error', message];

  it.each([
    ['no credential', VERSION, 'x-api-key header is required'],
    ['an unknown key', { ...VERSION, 'x-api-key': 'sk-ant-api03-other' }, 'invalid x-api-key'],
    ['a token as x-api-key', { ...VERSION, 'x-api-key': TOKEN }, 'invalid x-api-key'],
    [
      'a key as bearer',
      { ...WITH_TOKEN, authorization: `Bearer ${KEY}` },
      'Invalid authentication credentials',
    ],
    [
      'an unknown token',
      { ...WITH_TOKEN, authorization: 'Bearer sk-ant-oat01-x' },
      'Invalid authentication credentials',
    ],
    ['both headers', { ...WITH_TOKEN, 'x-api-key': KEY }, 'Invalid authentication credentials'],
    [
      'a token without the beta',
      { ...WITH_TOKEN, 'anthropic-beta': 'x-1' },
      'OAuth authentication is currently not supported.',
    ],
  ])('refuses %s', async (_what, headers, message) => {
    const answer = await post(headers, ask('Hello', { system: IDENTITY }));
    expect(await refusal(answer)).toEqual(unauthorized(message));
  });

  it('takes a key and a token in their own headers', async () => {
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(200);
    expect((await post(WITH_TOKEN, ask('Hello', { system: IDENTITY }))).status).toBe(200);
  });

  it('keeps subscription tokens for Claude Code, except with Haiku', async () => {
    const [status, , message] = await refusal(
      await post(WITH_TOKEN, ask('Hello', { system: 'You are a poet.' })),
    );
    expect([
      status,
      message.startsWith('This credential is only authorized for use with Claude Code'),
    ]).toEqual([400, true]);
    expect((await post(WITH_TOKEN, ask('Hello', { model: 'claude-haiku-4-5' }))).status).toBe(200);
  });

  it('does not let a token read the profile', async () => {
    const answer = await fetch(`${emulator.url}/api/oauth/profile`, { headers: WITH_TOKEN });
    const message = 'OAuth token does not meet scope requirement: user:profile';
    expect(await refusal(answer)).toEqual([403, 'permission_error', message]);
  });

  it('refuses a revoked key, and takes it again once accepted', async () => {
    emulator.revoke(KEY);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(401);
    emulator.accept(KEY);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(200);
  });
});

describe('requests', () => {
  it('wants a version, and a body that makes sense', async () => {
    const invalid = (message: string) => [400, 'invalid_request_error', message];
    expect(await refusal(await post({ 'x-api-key': KEY }, ask('Hello')))).toEqual(
      invalid('anthropic-version: header is required'),
    );
    expect(
      await refusal(await post(WITH_KEY, { model: 'm', messages: [{ role: 'user', content: 'x' }] })),
    ).toEqual(invalid('max_tokens: Field required'));
  });

  it('wants each tool_use answered at once, and no result without its use', async () => {
    const use = {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} }],
    };
    const result = {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' }],
    };
    const hello = { role: 'user', content: 'run ls' };
    const note = { role: 'system', content: 'a note of the CLI' };
    const unanswered = await refusal(await post(WITH_KEY, ask('', { messages: [hello, use, hello] })));
    expect(unanswered[2]).toMatch(/^messages\.2: `tool_use` ids were found without `tool_result`.*toolu_1/);
    const stray = await refusal(await post(WITH_KEY, ask('', { messages: [hello, result] })));
    expect(stray[2]).toContain('unexpected `tool_use_id`');
    expect((await post(WITH_KEY, ask('', { messages: [hello, use, note, result] }))).status).toBe(200);
  });

  it('answers the other paths', async () => {
    const get = (path: string, method: string) => fetch(emulator.url + path, { method, headers: WITH_KEY });
    expect((await fetch(emulator.url, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${emulator.url}/api/hello`, { method: 'HEAD' })).status).toBe(200);
    expect(await (await get('/v1/models', 'GET')).json()).toMatchObject({ has_more: false });
    expect((await get('/v1/nothing', 'GET')).status).toBe(404);
    const counted = await fetch(`${emulator.url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers: WITH_KEY,
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(400) }] }),
    });
    expect(((await counted.json()) as { input_tokens: number }).input_tokens).toBeGreaterThan(100);
  });

  it('writes down what arrived', async () => {
    await post(WITH_KEY, ask('Hello'));
    await post({ ...VERSION, authorization: 'Bearer placeholder' }, ask('Hello'));
    expect(emulator.requests).toMatchObject([
      {
        method: 'POST',
        path: '/v1/messages',
        query: '?beta=true',
        credential: { kind: 'x-api-key', value: KEY },
        model: 'claude-sonnet-4-5',
        status: 200,
      },
      { credential: { kind: 'bearer', value: 'placeholder' }, status: 401 },
    ]);
    emulator.reset();
    expect(emulator.requests).toEqual([]);
  });
});

describe('answers', () => {
  it('streams a text in the order of the API', async () => {
    const events = await eventsOf(await post(WITH_KEY, ask('Grüße an alle 🌱 hier', { stream: true })));
    const types = events.map(({ type }) => type);
    expect(types.slice(0, 3)).toEqual(['message_start', 'content_block_start', 'ping']);
    expect(types.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
    const deltas = events.filter(({ type }) => type === 'content_block_delta');
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.map(({ delta }) => delta?.text).join('')).toBe('You said: Grüße an alle 🌱 hier');
    expect(events.at(-2)?.delta?.stop_reason).toBe('end_turn');
  });

  it('streams a tool call with an absolute path', async () => {
    const environment =
      '<system-reminder>\n# Environment\n - Primary working directory: /home/you/tree\n</system-reminder>';
    const content = [
      { type: 'text', text: environment },
      { type: 'text', text: 'create a/b.txt' },
    ];
    const body = ask('', { stream: true, tools: [WRITE], messages: [{ role: 'user', content }] });
    const events = await eventsOf(await post(WITH_KEY, body));
    expect(events[1]?.content_block).toMatchObject({ type: 'tool_use', name: 'Write', input: {} });
    const input = events.map(({ delta }) => delta?.partial_json ?? '').join('');
    expect(JSON.parse(input)).toEqual({
      file_path: '/home/you/tree/a/b.txt',
      content: 'Hello from a/b.txt\n',
    });
    expect(events.at(-2)?.delta?.stop_reason).toBe('tool_use');
  });

  it('uses Bash where the folder is unknown', async () => {
    const answer = await post(WITH_KEY, ask('create b.txt', { tools: [WRITE, BASH] }));
    expect(await answer.json()).toMatchObject({ stop_reason: 'tool_use', content: [{ name: 'Bash' }] });
  });

  it('answers a request for a title', async () => {
    const format = {
      type: 'json_schema',
      schema: { type: 'object', properties: { title: { type: 'string' } } },
    };
    const answer = await post(WITH_KEY, ask('create hello.txt', { output_config: { format } }));
    const { content } = (await answer.json()) as { content: [{ text: string }] };
    expect(JSON.parse(content[0].text)).toEqual({ title: 'create hello.txt' });
  });

  it('holds slow pieces until they are released', async () => {
    const answer = post(WITH_KEY, ask('slow 2', { stream: true }));
    await until('the first piece waits', () => emulator.waiting === 1);
    emulator.release(2);
    const text = (await eventsOf(await answer)).map(({ delta }) => delta?.text ?? '').join('');
    expect(text).toBe('piece 1 of 2\npiece 2 of 2\n');
  });

  it('forgets a slow answer whose client has gone', async () => {
    const gone = new AbortController();
    const answer = await post(WITH_KEY, ask('slow 1', { stream: true }), gone.signal);
    await until('the piece waits', () => emulator.waiting === 1);
    gone.abort();
    await expect(answer.text()).rejects.toThrow();
    await until('nobody waits', () => emulator.waiting === 0);
  });

  it('compresses piece by piece when asked to', async () => {
    const other = await startAnthropicEmulator({ compress: true, acceptContaining: 'known' });
    try {
      const body = JSON.stringify(ask('Hello there, compressed', { stream: true }));
      const answer = await fetch(`${other.url}/v1/messages`, { method: 'POST', headers: WITH_KEY, body });
      expect(answer.headers.get('content-encoding')).toBe('gzip');
      const text = (await eventsOf(answer)).map(({ delta }) => delta?.text ?? '').join('');
      expect(text).toBe('You said: Hello there, compressed');
    } finally {
      await other.close();
    }
  });
});
