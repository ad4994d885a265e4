import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { MessageView } from '../../src/contracts/index.js';
import {
  startCollectorEmulator,
  type CollectedSpan,
  type CollectorEmulator,
} from '../emulators/collector.js';
import { runnerOf } from './support/processes.js';
import { credentials, TestSystem } from './support/system.js';

/** One trace from a person's message to the model call and back, over four processes; and what must not be in it, nor reach the agent. */

const COLLECTOR_KEY = 'collector-key-of-the-whole-instance-0123456789';
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER_SPAN = '00f067aa0ba902b7';
const PROMPT = 'create traced-by-nobody.txt';

let collector: CollectorEmulator;
let system: TestSystem;
let workspaceId: string;
let trace: CollectedSpan[] = [];
let requestId = '';

beforeAll(async () => {
  collector = await startCollectorEmulator({ header: { name: 'x-api-key', value: COLLECTOR_KEY } });
  system = await TestSystem.start({
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${COLLECTOR_KEY}`,
    },
  });
  ({ id: workspaceId } = await system.runningWorkspace('claude', 'traced'));
  await system.api.post(system.api.path(`/workspaces/${workspaceId}/hibernate`), {}, 202);
  await system.api.untilState(workspaceId, 'hibernated');
  collector.reset();
  trace = await ask(PROMPT);
  const keep = process.env.BERTH_KEEP_TRACE;
  if (keep) await writeFile(keep, `${JSON.stringify(trace, null, 2)}\n`);
});
afterAll(async () => {
  await system.close();
  await collector.close();
});

/** Sends a message as somebody who traces does, waits for its end, and for the spans of all processes. */
async function ask(text: string): Promise<CollectedSpan[]> {
  const response = await fetch(
    `${system.berth.url}${system.api.path(`/workspaces/${workspaceId}/messages`)}`,
    {
      method: 'POST',
      headers: {
        authorization: `Bearer ${system.api.apiKey ?? ''}`,
        'content-type': 'application/json',
        traceparent: `00-${TRACE_ID}-${CALLER_SPAN}-01`,
      },
      body: JSON.stringify({ text }),
    },
  );
  requestId = response.headers.get('x-request-id') ?? '';
  const { id } = (await response.json()) as MessageView;
  expect((await system.api.untilEnded(workspaceId, id)).state).toBe('completed');
  return system.api.poll('the spans of all processes', () => {
    const names = collector.spans.filter(({ traceId }) => traceId === TRACE_ID).map(({ name }) => name);
    const last = ['turn', 'POST /internal/v1/runner/report', 'git commit and push', 'model call anthropic'];
    return Promise.resolve(
      last.every((name) => names.includes(name))
        ? collector.spans.filter(({ traceId }) => traceId === TRACE_ID)
        : null,
    );
  });
}

const named = (name: string): CollectedSpan => {
  const found = trace.find((span) => span.name === name);
  if (!found) throw new Error(`no span ${name} among: ${trace.map((span) => span.name).join(', ')}`);
  return found;
};

/** The names from a span up to the caller's. */
function pathOf(span: CollectedSpan): string[] {
  const above = trace.find(({ spanId }) => spanId === span.parentSpanId);
  return above ? [...pathOf(above), span.name] : [span.name];
}

const REQUEST = 'POST /api/v1/organizations/{org}/workspaces/{id}/messages';

describe('a trace of one message', () => {
  it('is one tree, from the caller’s own span down', () => {
    expect(named(REQUEST)).toMatchObject({ parentSpanId: CALLER_SPAN, kind: 'server', service: 'berth' });
    const roots = trace.filter(({ parentSpanId }) => !trace.some(({ spanId }) => spanId === parentSpanId));
    expect(roots.map(({ name }) => name)).toEqual([REQUEST]);
  });

  it('leads over the job and the machine’s start to the repository’s tree', () => {
    expect(pathOf(named('prepare tree'))).toEqual([
      REQUEST,
      'job workspace.reconcile',
      'runtime.start',
      'prepare tree',
    ]);
    expect(named('prepare tree').service).toBe('berth-runner');
  });

  it('leads over the turn and the agent to each model call', () => {
    const calls = trace.filter(({ name }) => name === 'model call anthropic');
    expect(calls.length).toBeGreaterThanOrEqual(2);
    for (const call of calls) {
      expect(pathOf(call)).toEqual([REQUEST, 'turn', 'agent claude', 'model call anthropic']);
      expect(call).toMatchObject({
        service: 'berth-proxy',
        kind: 'client',
        attributes: {
          'berth.upstream': 'anthropic',
          'http.response.status_code': 200,
          'gen_ai.response.model': expect.stringContaining('claude') as string,
          'gen_ai.usage.input_tokens': expect.any(Number) as number,
          'gen_ai.usage.output_tokens': expect.any(Number) as number,
          'berth.first_byte_ms': expect.any(Number) as number,
        },
      });
      expect(call.marks.map(({ name }) => name)).toContain('first byte');
    }
  });

  it('and back: the work is published, and the end is told to Berth', () => {
    expect(pathOf(named('git commit and push'))).toEqual([REQUEST, 'turn', 'git commit and push']);
    expect(named('git commit and push').attributes).toMatchObject({ 'berth.git.pushed': true });
    expect(named('turn').attributes).toMatchObject({
      'berth.turn.outcome': 'completed',
      'berth.turn.attempt': 1,
    });
    const report = trace.filter(({ name }) => name === 'POST /internal/v1/runner/report').at(-1);
    expect(report && pathOf(report)).toEqual([REQUEST, 'turn', 'POST /internal/v1/runner/report']);
    expect(report?.service).toBe('berth');
  });

  it('puts each span inside the time of the work it belongs to', () => {
    for (const [name, inside] of [
      ['turn', 'agent claude'],
      ['agent claude', 'model call anthropic'],
      ['turn', 'git commit and push'],
      ['job workspace.reconcile', 'runtime.start'],
    ] as const) {
      const [outer, inner] = [named(name), named(inside)];
      expect(inner.startMs).toBeGreaterThanOrEqual(outer.startMs - 5);
      expect(inner.endMs).toBeLessThanOrEqual(outer.endMs + 5);
    }
  });

  it('holds no prompt, secret, token or name of a person', async () => {
    const runner = JSON.parse(
      await readFile(path.join(system.filesOf(workspaceId), 'runner.json'), 'utf8'),
    ) as {
      runnerToken: string;
      placeholder: string;
    };
    const text = collector.bodies.join('\n');
    expect(text.length).toBeGreaterThan(1000);
    const never = [
      ...Object.values(credentials),
      ...['traced-by-nobody', COLLECTOR_KEY, 'Ada', 'ada@example.com', 'acme'],
      ...[system.api.apiKey ?? '', runner.runnerToken, runner.placeholder],
    ];
    expect(never.filter((word) => text.includes(word))).toEqual([]);
  });

  it('has its ids in the lines of Berth and of its proxy', () => {
    const lines = system.berth.output
      .join('')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes(requestId));
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) expect(line).toContain(TRACE_ID);
    expect(lines.some((line) => line.includes('"process":"proxy"'))).toBe(true);
  });

  it('is not known to the agent: neither where traces go nor the collector’s key', async () => {
    const runner = runnerOf(system.filesOf(workspaceId)) ?? 0;
    expect(runner).toBeGreaterThan(0);
    expect(await readFile(`/proc/${runner}/environ`, 'latin1')).not.toMatch(/OTEL|collector/);
    expect(await readFile(`/proc/${runner}/cmdline`, 'latin1')).not.toMatch(/OTEL|collector/);
    const files = await readdir(system.filesOf(workspaceId), { recursive: true, withFileTypes: true });
    for (const file of files.filter((each) => each.isFile())) {
      const content = await readFile(path.join(file.parentPath, file.name), 'latin1');
      expect([file.name, content.includes(COLLECTOR_KEY)]).toEqual([file.name, false]);
    }
    const { id } = await system.api.send(
      workspaceId,
      "run env; for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $file; done; echo looked",
    );
    await system.api.untilEnded(workspaceId, id);
    const events = JSON.stringify(await system.api.events(workspaceId));
    expect(events).toContain('HOME=');
    expect(events).toContain('looked');
    expect(events).not.toContain('OTEL_');
    expect(events).not.toContain(COLLECTOR_KEY);
    expect(events).not.toContain(TRACE_ID);
  });
});
