import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { FakeTimer } from '../timer.js';
import { ClaudeStream } from './claude-stream.js';
import { CodexStream } from './codex-stream.js';
import type { AgentItem } from './driver.js';
import { ItemWriter } from './item-writer.js';
import { fields, jsonLines, text, type Fields } from './json.js';

/** Recorded from the real programs (Claude Code 2.1.330, Codex 0.169.0); token counts and lists of tools are left out. */
function recorded(name: string): Fields[] {
  const lines = readFileSync(new URL(`./fixtures/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => fields(JSON.parse(line)));
}

function writer(): { items: AgentItem[]; writer: ItemWriter } {
  const items: AgentItem[] = [];
  return { items, writer: new ItemWriter(new FakeTimer(), (item) => items.push(item)) };
}

/** Text that follows text as one: where it is cut is the business of ItemWriter and its clock. */
function joined(items: AgentItem[]): AgentItem[] {
  return items.reduce<AgentItem[]>((all, item) => {
    const last = all.at(-1);
    if (item.type !== 'agent.text' || last?.type !== 'agent.text') return [...all, item];
    return [...all.slice(0, -1), { ...last, text: last.text + item.text }];
  }, []);
}

const messageId = (number: number) => `22222222-2222-4222-8222-00000000000${number}`;

function claude(events: readonly Fields[], id = messageId(1)) {
  const out = writer();
  const stream = new ClaudeStream(out.writer, id);
  for (const event of events) stream.accept(event);
  out.writer.end();
  return { items: joined(out.items), end: stream.end };
}

function codex(messages: readonly Fields[]) {
  const out = writer();
  const stream = new CodexStream(out.writer);
  for (const message of messages) {
    if (text(message.method) !== '') stream.accept(text(message.method), fields(message.params));
  }
  out.writer.end();
  return { items: joined(out.items), end: stream.end, turnId: stream.turnId };
}

describe('the stream of Claude Code', () => {
  it('shows a tool call, the streamed text and the answer', () => {
    const { items, end } = claude(recorded('claude-create'));

    expect(end).toEqual({ result: 'completed' });
    expect(items).toEqual([
      expect.objectContaining({
        type: 'agent.tool',
        name: 'Write',
        state: 'started',
        summary: '/workspace/hello.txt',
      }),
      expect.objectContaining({ type: 'agent.tool', name: 'Write', state: 'completed' }),
      { type: 'agent.text', text: 'Created hello.txt.' },
      { type: 'agent.answer', text: 'Created hello.txt.' },
    ]);
  });

  it('shows a tool that failed as failed', () => {
    const { items } = claude(recorded('claude-run'));

    expect(items).toContainEqual(
      expect.objectContaining({ name: 'Bash', state: 'failed', summary: 'Exit code 1' }),
    );
  });

  it.each([
    ['claude-401', 'agent-authentication'],
    ['claude-429', 'agent-quota'],
    ['claude-529', 'agent-overloaded'],
    ['claude-400', 'agent-request-refused'],
  ])('reads the failure of %s as %s, and keeps the words of the CLI out of the answer', (name, code) => {
    const { items, end } = claude(recorded(name));

    expect(end).toMatchObject({ result: 'failed', code });
    expect(items).toEqual([]);
  });

  it('tells an unknown session from a failed turn', () => {
    expect(claude(recorded('claude-unknown-session')).end).toEqual({ result: 'unknown-session' });
  });

  it('notices that our message was dropped as a duplicate', () => {
    expect(claude(recorded('claude-duplicate'), messageId(2)).end).toEqual({ result: 'dropped' });
    expect(claude(recorded('claude-run'), messageId(2)).end).toEqual({ result: 'completed' });
  });

  it('ends an interrupted turn without an answer', () => {
    const { items, end } = claude(recorded('claude-interrupt'));

    expect(end).toMatchObject({ result: 'failed' });
    expect(items).toEqual([]);
  });

  it('does not take the word of the model for an error', () => {
    const events = recorded('claude-create').map((event) =>
      event.type === 'result' ? { ...event, result: 'API Error: 401 authentication_failed' } : event,
    );

    expect(claude(events).end).toEqual({ result: 'completed' });
  });

  it('tells a call that is not allowed from a login that is not accepted, though the CLI gives both one name', () => {
    const events = recorded('claude-401').map((event) =>
      event.type === 'result' ? { ...event, api_error_status: 403 } : event,
    );

    expect(claude(events).end).toMatchObject({ code: 'agent-not-allowed' });
  });

  it.each([
    [{ error_status: 500 }, 'agent-overloaded'],
    [{ error_status: null }, 'network'],
  ])('without a status in the result goes by the last retry %j', (retry, code) => {
    const failed = { type: 'result', subtype: 'success', is_error: true, api_error_status: null };
    const events = [
      { type: 'system', subtype: 'init' },
      { type: 'system', subtype: 'api_retry', ...retry },
      {
        type: 'assistant',
        error: 'server_error',
        message: { content: [{ type: 'text', text: 'Unable to connect' }] },
      },
      failed,
    ];

    expect(claude(events).end).toMatchObject({ code });
  });

  it('shows a plan as one, and what looks like one and is none as the tool call that it is', () => {
    const writes = (id: string, input: object) => ({
      type: 'assistant',
      message: { content: [{ type: 'tool_use', id, name: 'TodoWrite', input }] },
    });
    const todos = [
      { content: 'Look', status: 'completed', activeForm: 'Looking' },
      { content: 'Do', status: 'in_progress', activeForm: 'Doing' },
    ];
    const result = { type: 'tool_result', tool_use_id: 't1', content: 'Todos have been modified' };
    const { items } = claude([
      writes('t1', { todos }),
      { type: 'user', message: { content: [result] } },
      writes('t2', { todos: [{ content: 'Look', status: 'odd' }] }),
    ]);
    expect(items).toMatchObject([
      {
        type: 'agent.plan',
        items: [
          { content: 'Look', status: 'completed' },
          { content: 'Do', status: 'in_progress' },
        ],
      },
      { type: 'agent.tool', name: 'TodoWrite', state: 'started' },
      { type: 'agent.tool', name: 'TodoWrite', state: 'failed' },
    ]);
  });

  it('shows the tasks that it writes down as a plan, as they are each time', () => {
    const { items, end } = claude(recorded('claude-tasks'));
    const plans = items.flatMap((item) => (item.type === 'agent.plan' ? [item.items] : []));
    const [look, act] = [{ content: 'Look' }, { content: 'Do', status: 'pending' }];
    expect(plans).toEqual([
      [{ ...look, status: 'pending' }],
      [{ ...look, status: 'pending' }, act],
      [{ ...look, status: 'in_progress' }, act],
      [{ ...look, status: 'completed' }, act],
      // The second one was taken back; of one that is not there nothing is known, and the list says the same.
      [{ ...look, status: 'completed' }],
    ]);
    expect(items.filter(({ type }) => type === 'agent.tool')).toEqual([]);
    expect(end).toEqual({ result: 'completed' });
  });

  it('leaves out what subagents say', () => {
    const events = recorded('claude-create').map((event) =>
      event.type === 'stream_event' || event.type === 'assistant'
        ? { ...event, parent_tool_use_id: 'toolu_parent' }
        : event,
    );

    expect(claude(events).items).toEqual([{ type: 'agent.answer', text: 'Created hello.txt.' }]);
  });
});

describe('the stream of Codex', () => {
  it('shows a tool call, the streamed text and the answer', () => {
    const { items, end, turnId } = codex(recorded('codex-create'));

    expect(end).toEqual({ result: 'completed' });
    expect(turnId).toMatch(/^[0-9a-f-]{36}$/);
    expect(items).toEqual([
      expect.objectContaining({ type: 'agent.tool', name: 'shell', state: 'started' }),
      expect.objectContaining({ type: 'agent.tool', name: 'shell', state: 'completed' }),
      { type: 'agent.text', text: 'Created hello.txt.' },
      { type: 'agent.answer', text: 'Created hello.txt.' },
    ]);
  });

  it('shows the command as the model wrote it, and that it failed', () => {
    const { items } = codex(recorded('codex-run'));

    expect(items[0]).toMatchObject({ state: 'started', summary: 'false' });
    expect(items[1]).toMatchObject({ state: 'failed' });
  });

  it('tells of agents that it begins, whose work is in threads of their own', () => {
    const spawned = { id: 'c', type: 'collabAgentToolCall', tool: 'spawnAgent', prompt: 'write it' };
    const { items } = codex([
      { method: 'item/started', params: { item: { ...spawned, status: 'inProgress' } } },
      { method: 'item/completed', params: { item: { ...spawned, status: 'completed' } } },
    ]);
    const tool = { type: 'agent.tool', toolId: 'c', name: 'spawnAgent' };
    expect(items).toEqual([
      { ...tool, state: 'started', summary: 'write it' },
      { ...tool, state: 'completed' },
    ]);
  });

  it.each([
    ['codex-401', 'agent-authentication'],
    ['codex-429', 'agent-quota'],
    ['codex-400', 'agent-request-refused'],
    ['codex-500', 'agent-overloaded'],
  ])('reads the failure of %s as %s, without the words of the provider', (name, code) => {
    const { items, end } = codex(recorded(name));

    expect(end).toMatchObject({ result: 'failed', code });
    expect(JSON.stringify(end)).not.toMatch(/status|token is expired/);
    expect(items).toEqual([]);
  });

  it('ends an interrupted turn as canceled, with the text so far', () => {
    const { items, end } = codex(recorded('codex-interrupt'));

    expect(end).toEqual({ result: 'canceled' });
    expect(items).toEqual([{ type: 'agent.text', text: 'piece 1 of 3\n' }]);
  });

  it('shows its plan', () => {
    const plan = [
      { step: 'Look', status: 'completed' },
      { step: 'Do', status: 'inProgress' },
      { step: 'Odd', status: 'odd' },
    ];
    const { items } = codex([
      { method: 'turn/plan/updated', params: { threadId: 't', turnId: 'u', explanation: null, plan } },
    ]);
    expect(items).toEqual([
      {
        type: 'agent.plan',
        items: [
          { content: 'Look', status: 'completed' },
          { content: 'Do', status: 'in_progress' },
        ],
      },
    ]);
  });

  it('knows a cut connection from a refused request, though Codex calls both "other"', () => {
    const completed = {
      method: 'turn/completed',
      params: { turn: { status: 'failed', error: { message: 'words', codexErrorInfo: 'other' } } },
    };
    const retry = (httpStatusCode: number | null) => ({
      method: 'error',
      params: {
        willRetry: true,
        error: { codexErrorInfo: { responseStreamDisconnected: { httpStatusCode } } },
      },
    });

    expect(codex([completed]).end).toMatchObject({ code: 'agent-request-refused' });
    expect(codex([retry(null), completed]).end).toMatchObject({ code: 'network' });
  });
});

describe('reading JSON lines', () => {
  it('puts pieces together, skips what is no object, and keeps characters whole', async () => {
    const bytes = Buffer.from('{"a":"é"}\nwarning: stray\n\n{"b":2}\n{"unfinished"');
    const pieces = [bytes.subarray(0, 7), bytes.subarray(7, 20), bytes.subarray(20)];
    const seen: Fields[] = [];
    for await (const value of jsonLines(Readable.from(pieces))) seen.push(value);

    expect(seen).toEqual([{ a: 'é' }, { b: 2 }]);
  });
});
