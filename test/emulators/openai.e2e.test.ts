import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOpenaiEmulator, type OpenaiEmulator } from './openai.js';
import { makeAgentPlace, runCodex, type AgentPlace, type AgentRun } from './run-agents.js';
import { until } from './until.js';

const KEY = 'sk-e2e-key-of-the-test';

let emulator: OpenaiEmulator;
let place: AgentPlace;
beforeEach(async () => {
  emulator = await startOpenaiEmulator({ compress: true });
  emulator.accept(KEY);
  place = await makeAgentPlace();
});
afterEach(async () => {
  await emulator.close();
  await place.remove();
});

const codex = (text: string, options: { resume?: string; model?: string } = {}): Promise<AgentRun> =>
  runCodex(place, { url: emulator.url, key: KEY }, text, options);

type Item = { type: string; text?: string; exit_code?: number };
const items = ({ lines }: AgentRun, type: string): Item[] =>
  lines
    .filter((line) => line.type === 'item.completed')
    .map(({ item }) => item as Item)
    .filter((item) => item.type === type);
const answer = (run: AgentRun): string => items(run, 'agent_message').at(-1)?.text ?? '';

// The default model is offered `exec` (JavaScript), a model that Codex does not know `exec_command`.
describe.each([undefined, 'some-model'])('the real Codex against the emulator, model %s', (model) => {
  it('creates a file', async () => {
    const run = await codex("create src/hello.txt with it's Grüße", { model });
    expect([run.exitCode, answer(run)]).toEqual([0, 'Created src/hello.txt.']);
    expect(items(run, 'command_execution')).toMatchObject([{ exit_code: 0 }]);
    expect(run.lines.at(-1)).toMatchObject({ type: 'turn.completed' });
    expect(await readFile(join(place.tree, 'src/hello.txt'), 'utf8')).toBe("it's Grüße\n");
    expect(emulator.requests.map(({ path, status, credential }) => [path, status, credential])).toEqual(
      Array(2).fill(['/v1/responses', 200, { kind: 'bearer', value: KEY }]),
    );
  });

  it('runs a command and says what it printed, or that it failed', async () => {
    expect(answer(await codex('run echo one && echo two', { model }))).toBe('one\ntwo');
    expect(answer(await codex('run echo sorry; exit 3', { model }))).toBe('The command failed: sorry');
  });

  it('remembers in a resumed session', async () => {
    const first = await codex('remember pineapple', { model });
    const resume = String(first.lines.find(({ type }) => type === 'thread.started')?.thread_id);
    const second = await codex('what did I ask you to remember?', { model, resume });
    expect(answer(second)).toBe('You asked me to remember pineapple.');
  });
});

describe('the real Codex and failures', () => {
  it('waits for a slow answer', async () => {
    const run = codex('slow 2');
    await until('the first piece waits', () => emulator.waiting === 1, 40);
    emulator.release(2);
    expect(answer(await run)).toBe('piece 1 of 2\npiece 2 of 2\n');
  });

  it('recovers from a cut stream, and reports a refused key', async () => {
    emulator.fail({ mode: 'cut-mid-stream' });
    const healed = await codex('Good day');
    expect([healed.exitCode, answer(healed)]).toEqual([0, 'You said: Good day']);
    emulator.revoke(KEY);
    const refused = await codex('Good day');
    expect(refused.exitCode).toBe(1);
    expect(JSON.stringify(refused.lines.at(-1))).toContain('401 Unauthorized');
  });
});
