import { startOpenaiEmulator, type OpenaiEmulator } from './openai.js';
import { allEvents } from './read-events.js';
import { until } from './until.js';

const KEY = 'sk-proj-known-key-of-the-test';
const WITH_KEY = { authorization: `Bearer ${KEY}` };
const EXEC_COMMAND = { type: 'function', name: 'exec_command', parameters: {} };
const EXEC = { type: 'namespace', name: 'functions', tools: [{ type: 'custom', name: 'exec' }] };

let emulator: OpenaiEmulator;
beforeEach(async () => {
  emulator = await startOpenaiEmulator();
  emulator.accept(KEY);
});
afterEach(() => emulator.close());

const message = (text: string) => ({
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text }],
});
const ask = (text: string, more: object = {}) => ({
  model: 'gpt-6.1-sol',
  store: false,
  input: [message(text)],
  ...more,
});

function post(headers: Record<string, string>, body: object, signal?: AbortSignal): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, signal };
  return fetch(`${emulator.url}/v1/responses`, { ...init, body: JSON.stringify(body) });
}

async function refusal(answer: Response): Promise<[number, string | null, string]> {
  const { error } = (await answer.json()) as {
    error: { code: string | null; message: string; type: string };
  };
  expect(error.type).toBe('invalid_request_error');
  return [answer.status, error.code, error.message];
}

interface Event {
  type: string;
  sequence_number: number;
  delta?: string;
  item?: Record<string, unknown>;
  response?: { status: string; usage: { total_tokens: number } | null };
}

async function eventsOf(answer: Response): Promise<Event[]> {
  const events = await allEvents<Event>(answer);
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
  return events;
}

const textOf = (events: Event[]): string =>
  events.flatMap(({ type, delta }) => (type === 'response.output_text.delta' ? [delta] : [])).join('');

describe('what it refuses', () => {
  it('a request without a bearer, and an unknown key, which it names masked', async () => {
    const [status, code, text] = await refusal(await post({ 'x-api-key': KEY }, ask('Hello')));
    expect([status, code, text.startsWith("You didn't provide an API key.")]).toEqual([401, null, true]);
    const unknown = await post({ authorization: 'Bearer sk-unknown-key-1234' }, ask('Hello'));
    expect(await refusal(unknown)).toEqual([
      401,
      'invalid_api_key',
      'Incorrect API key provided: sk-unkno*******1234. You can find your API key at https://platform.openai.com/account/api-keys.',
    ]);
  });

  it('a revoked key', async () => {
    emulator.revoke(KEY);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(401);
  });

  it('a body without a model, and a response that was not stored', async () => {
    expect(await refusal(await post(WITH_KEY, { input: 'Hello' }))).toEqual([
      400,
      'missing_required_parameter',
      "Missing required parameter: 'model'.",
    ]);
    const previous = await refusal(await post(WITH_KEY, ask('Hello', { previous_response_id: 'resp_1' })));
    expect(previous.slice(0, 2)).toEqual([400, 'previous_response_not_found']);
  });

  it('calls without output and outputs without call', async () => {
    const call = { type: 'function_call', call_id: 'call_1', name: 'exec_command', arguments: '{}' };
    const output = { type: 'function_call_output', call_id: 'call_1', output: 'Output:\nok' };
    const unanswered = await refusal(await post(WITH_KEY, ask('', { input: [message('run ls'), call] })));
    expect(unanswered).toEqual([400, null, 'No tool output found for function call call_1.']);
    const stray = await refusal(await post(WITH_KEY, ask('', { input: [message('run ls'), output] })));
    expect(stray).toEqual([400, null, 'No tool call found for function call output with call_id call_1.']);
    expect((await post(WITH_KEY, ask('', { input: [message('run ls'), call, output] }))).status).toBe(200);
  });

  it('a WebSocket, with the status that sends Codex to plain HTTP at once', async () => {
    const { request } = await import('node:http');
    const headers = { ...WITH_KEY, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'eA==' };
    const status = await new Promise((resolve, reject) => {
      request(`${emulator.url}/v1/responses`, { headers }, (answer) => resolve(answer.resume().statusCode))
        .once('error', reject)
        .end();
    });
    expect(status).toBe(426);
  });

  it('paths it does not have', async () => {
    expect((await fetch(`${emulator.url}/v1/nothing`, { headers: WITH_KEY })).status).toBe(404);
    const models = await fetch(`${emulator.url}/v1/models`, { headers: WITH_KEY });
    expect(await models.json()).toMatchObject({ object: 'list', data: [{ object: 'model' }, {}] });
  });
});

describe('what it answers', () => {
  it('streams a text in the order of the API', async () => {
    const events = await eventsOf(await post(WITH_KEY, ask('Grüße an alle 🌱 hier', { stream: true })));
    const types = events.map(({ type }) => type);
    expect(types.slice(0, 4)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    expect(types.slice(-4)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(textOf(events)).toBe('You said: Grüße an alle 🌱 hier');
    expect(events.at(-1)?.response?.status).toBe('completed');
    expect(events.at(-1)?.response?.usage?.total_tokens).toBeGreaterThan(0);
  });

  it('calls exec_command where it is offered', async () => {
    const events = await eventsOf(
      await post(WITH_KEY, ask('run ls', { stream: true, tools: [EXEC_COMMAND] })),
    );
    const item = events.find(({ type }) => type === 'response.output_item.done')?.item;
    expect(item).toMatchObject({ type: 'function_call', name: 'exec_command' });
    expect(JSON.parse(String(item?.arguments))).toMatchObject({ cmd: 'ls' });
  });

  it('writes JavaScript for exec where only that is offered, in its namespace', async () => {
    const input = [{ type: 'additional_tools', role: 'developer', tools: [EXEC] }, message('run ls')];
    const answer = await post(WITH_KEY, ask('', { input }));
    expect(await answer.json()).toMatchObject({
      output: [{ type: 'custom_tool_call', name: 'exec', namespace: 'functions' }],
    });
  });

  it('asks again for a command that still runs', async () => {
    const call = { type: 'function_call', call_id: 'call_1', name: 'exec_command', arguments: '{}' };
    const output = 'Process running with session ID 77\nOutput:\nso far\n';
    const input = [message('run make'), call, { type: 'function_call_output', call_id: 'call_1', output }];
    const tools = [EXEC_COMMAND, { type: 'function', name: 'write_stdin' }];
    const answer = (await (await post(WITH_KEY, ask('', { input, tools }))).json()) as {
      output: [{ name: string; arguments: string }];
    };
    expect(answer.output[0].name).toBe('write_stdin');
    expect(JSON.parse(answer.output[0].arguments)).toEqual({ session_id: 77 });
  });

  it('does not take what Codex adds for the words of a person', async () => {
    const input = [
      message('remember pineapple'),
      message('# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nrun rm -rf\n</INSTRUCTIONS>'),
      message('<environment_context>\ncreate nothing.txt\n</environment_context>'),
      message('what did I ask you to remember?'),
    ];
    const events = await eventsOf(
      await post(WITH_KEY, ask('', { input, stream: true, tools: [EXEC_COMMAND] })),
    );
    expect(textOf(events)).toBe('You asked me to remember pineapple.');
  });

  it('holds slow pieces until they are released', async () => {
    const answer = post(WITH_KEY, ask('slow 2', { stream: true }));
    await until('the first piece waits', () => emulator.waiting === 1);
    emulator.release(2);
    expect(textOf(await eventsOf(await answer))).toBe('piece 1 of 2\npiece 2 of 2\n');
  });
});

describe('failures on demand', () => {
  it('plays a status with the usual or a given body', async () => {
    emulator.fail({ status: 401 });
    emulator.fail({ status: 429, body: { error: { code: 'insufficient_quota' } } });
    expect((await refusal(await post(WITH_KEY, ask('Hello'))))[1]).toBe('token_expired');
    const second = await post(WITH_KEY, ask('Hello'));
    expect([second.status, await second.json()]).toEqual([429, { error: { code: 'insufficient_quota' } }]);
    expect((await post(WITH_KEY, ask('Hello'))).status).toBe(200);
  });

  it('cuts before the head, and inside the text', async () => {
    emulator.fail({ mode: 'cut-before-head' });
    await expect(post(WITH_KEY, ask('Hello'))).rejects.toThrow();
    emulator.fail({ mode: 'cut-mid-stream' });
    const answer = await post(WITH_KEY, ask('a text of several pieces', { stream: true }));
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
  });

  it('hangs until the client gives up', async () => {
    emulator.fail({ mode: 'hang' });
    const gone = new AbortController();
    const answer = post(WITH_KEY, ask('Hello'), gone.signal);
    await until('the request arrived', () => emulator.requests.length === 1);
    gone.abort();
    await expect(answer).rejects.toThrow();
    expect(emulator.requests[0]?.status).toBeNull();
  });
});
