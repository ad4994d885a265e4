import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from './anthropic.js';
import { makeAgentPlace, runClaude, type AgentPlace, type AgentRun } from './run-agents.js';
import { until } from './until.js';

const KEY = 'sk-ant-api03-e2e';
const TOKEN = 'sk-ant-oat01-e2e';

let emulator: AnthropicEmulator;
let place: AgentPlace;
beforeEach(async () => {
  // Compressed as the real API, so that what works here does not work by accident.
  emulator = await startAnthropicEmulator({ compress: true });
  emulator.accept(KEY);
  emulator.accept(TOKEN);
  place = await makeAgentPlace();
});
afterEach(async () => {
  await emulator.close();
  await place.remove();
});

function claude(text: string, flags: string[] = [], env: Record<string, string> = {}): Promise<AgentRun> {
  return runClaude(place, { url: emulator.url, env: { ANTHROPIC_API_KEY: KEY, ...env } }, text, flags);
}

const result = (run: AgentRun) => run.lines.find(({ type }) => type === 'result');
const toolNames = ({ lines }: AgentRun): string[] =>
  lines
    .filter(({ type }) => type === 'assistant')
    .flatMap(({ message }) => (message as { content: { type: string; name: string }[] }).content)
    .flatMap(({ type, name }) => (type === 'tool_use' ? [name] : []));

describe('the real Claude Code against the emulator', () => {
  it('creates a file', async () => {
    const run = await claude('create src/hello.txt with Grüße');
    expect(result(run)).toMatchObject({ is_error: false, result: 'Created src/hello.txt.' });
    expect(run.exitCode).toBe(0);
    expect(toolNames(run)).toEqual(['Write']);
    expect(await readFile(join(place.tree, 'src/hello.txt'), 'utf8')).toBe('Grüße\n');
    const calls = emulator.requests.filter(({ method }) => method === 'POST');
    expect(calls.map(({ path, status }) => [path, status])).toEqual(Array(2).fill(['/v1/messages', 200]));
    expect(new Set(calls.map(({ credential }) => JSON.stringify(credential)))).toEqual(
      new Set([JSON.stringify({ kind: 'x-api-key', value: KEY })]),
    );
  });

  it('runs a command and says what it printed, or that it failed', async () => {
    expect(result(await claude('run echo one && echo two'))).toMatchObject({ result: 'one\ntwo' });
    expect(result(await claude('run exit 3'))?.result).toMatch(/^The command failed: .*3/);
  });

  it('overwrites a file that it has not read', async () => {
    await claude('create a.txt with first');
    const run = await claude('create a.txt with second');
    expect(toolNames(run)).toEqual(['Write', 'Bash']);
    expect(await readFile(join(place.tree, 'a.txt'), 'utf8')).toBe('second\n');
  });

  it('remembers in a resumed session, and only there', async () => {
    const session = randomUUID();
    const question = 'what did I ask you to remember?';
    await claude('remember pineapple', ['--session-id', session]);
    const resumed = await claude(question, ['--resume', session]);
    expect(result(resumed)).toMatchObject({ result: 'You asked me to remember pineapple.' });
    expect(result(await claude(question))).toMatchObject({
      result: 'You have not asked me to remember anything.',
    });
  });

  it('streams a slow answer piece by piece', async () => {
    const run = claude('slow 2');
    await until('the first piece waits', () => emulator.waiting === 1, 40);
    emulator.release();
    await until('the second piece waits', () => emulator.waiting === 1);
    emulator.release();
    expect(result(await run)?.result).toBe('piece 1 of 2\npiece 2 of 2\n');
  });

  it('is served with a setup token', async () => {
    const env = { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: TOKEN };
    expect(result(await claude('Good day', [], env))).toMatchObject({ result: 'You said: Good day' });
    expect(emulator.requests.at(-1)?.credential).toEqual({ kind: 'bearer', value: TOKEN });
  });

  it('reports an authentication failure, and recovers from a 401 and from a cut stream', async () => {
    emulator.fail({ status: 401 });
    emulator.fail({ mode: 'cut-mid-stream' });
    const healed = await claude('Good day');
    expect(result(healed)).toMatchObject({ is_error: false, result: 'You said: Good day' });
    expect(healed.lines).toContainEqual(expect.objectContaining({ subtype: 'api_retry', error_status: 401 }));
    emulator.revoke(KEY);
    const refused = await claude('Good day', [], { CLAUDE_CODE_MAX_RETRIES: '0' });
    expect(refused.exitCode).toBe(1);
    expect(result(refused)).toMatchObject({ is_error: true, api_error_status: 401 });
  });
});
