import { startAnthropicEmulator, type AnthropicEmulator } from './anthropic.js';
import { readEvents } from './read-events.js';
import { until } from './until.js';

/** Failures and the control address, which all emulators share, seen at the Anthropic one. */

const KEY = 'sk-ant-api03-known';
const OTHER_KEY = 'sk-ant-api03-other';
const headersOf = (key: string) => ({ 'anthropic-version': '2023-06-01', 'x-api-key': key });
const WITH_KEY = headersOf(KEY);

let emulator: AnthropicEmulator;
beforeEach(async () => {
  emulator = await startAnthropicEmulator();
  emulator.accept(KEY);
  emulator.accept(OTHER_KEY);
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
  return fetch(`${emulator.url}/v1/messages`, {
    method: 'POST',
    headers,
    signal,
    body: JSON.stringify(body),
  });
}

describe('failures on demand', () => {
  it('answers a status so many times, then serves', async () => {
    emulator.fail({ status: 529, times: 2, headers: { 'retry-after': '1' } });
    const first = await post(WITH_KEY, ask('Hello'));
    expect(first.headers.get('retry-after')).toBe('1');
    expect(await first.json()).toMatchObject({ error: { type: 'overloaded_error', message: 'Overloaded' } });
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(529);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(200);
    expect(emulator.requests.map(({ status }) => status)).toEqual([529, 529, 200]);
  });

  it('hits only what the rule fits', async () => {
    emulator.fail({ status: 401, times: 'always', match: { credential: KEY } });
    emulator.fail({ status: 503, match: { path: '/v1/models' } });
    expect((await post(headersOf(OTHER_KEY), ask('Hello'))).status).toBe(200);
    expect((await fetch(`${emulator.url}/v1/models`, { headers: headersOf(OTHER_KEY) })).status).toBe(503);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(401);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(401);
    emulator.reset();
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(200);
  });

  it('spares probes when the rule names no path', async () => {
    emulator.fail({ status: 500, body: { own: true } });
    expect((await fetch(emulator.url, { method: 'HEAD' })).status).toBe(200);
    const answer = await post(WITH_KEY, ask('Hello'));
    expect([answer.status, await answer.json()]).toEqual([500, { own: true }]);
  });

  it('cuts before the head, and in the middle of a stream or a body', async () => {
    emulator.fail({ mode: 'cut-before-head' });
    await expect(post(WITH_KEY, ask('Hello'))).rejects.toThrow();
    emulator.fail({ mode: 'cut-mid-stream', times: 2 });
    const stream = await post(WITH_KEY, ask('a text of several pieces', { stream: true }));
    expect(stream.status).toBe(200);
    await expect(stream.text()).rejects.toThrow();
    const whole = await post(WITH_KEY, ask('Hello'));
    await expect(whole.text()).rejects.toThrow();
    expect(emulator.requests.map(({ status }) => status)).toEqual([null, 200, 200]);
  });

  it('cuts after exactly as many events as the rule says', async () => {
    emulator.fail({ mode: 'cut-mid-stream', afterEvents: 2 });
    const answer = await post(WITH_KEY, ask('Hello', { stream: true }));
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { type } of readEvents(answer)) seen.push(type);
    };
    await expect(read()).rejects.toThrow();
    expect(seen).toEqual(['message_start', 'content_block_start']);
  });

  it('hangs until the client gives up, and still closes', async () => {
    emulator.fail({ mode: 'hang' });
    const gone = new AbortController();
    const answer = post(WITH_KEY, ask('Hello'), gone.signal);
    await until('the request arrived', () => emulator.requests.length === 1);
    gone.abort();
    await expect(answer).rejects.toThrow();
    expect(emulator.requests[0]?.status).toBeNull();
  });
});

describe('the control address', () => {
  const control = (call: string, body?: object) =>
    fetch(`${emulator.url}/_control/${call}`, { method: 'POST', body: body && JSON.stringify(body) });

  it('steers the emulator from outside, and stays out of the ledger', async () => {
    expect((await control('fail', { status: 429, match: { model: 'claude-sonnet-4-5' } })).status).toBe(204);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(429);
    await control('revoke', { credential: KEY });
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(401);
    await control('accept', { credential: KEY });
    await control('release', { count: 1 });
    expect((await post(WITH_KEY, ask('slow 1'))).status).toBe(200);
    const listed = await fetch(`${emulator.url}/_control/requests`);
    const { items } = (await listed.json()) as { items: { status: number }[] };
    expect(items.map(({ status }) => status)).toEqual([429, 401, 200]);
    await control('reset');
    expect(emulator.requests).toEqual([]);
  });

  it('says what is wrong with a rule', async () => {
    const answer = await control('fail', { mode: 'explode' });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('cut-mid-stream');
    expect((await control('nothing')).status).toBe(404);
  });
});
