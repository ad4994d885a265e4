import type { MessageView } from '../../src/contracts/index.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import { until } from '../emulators/until.js';
import { answerTo, expectWhole, statesOf } from './support/events.js';
import { familyOf, lives, runnerOf } from './support/processes.js';
import { TestSystem } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/** Turns that do not end well: canceled by a person, or the provider errs. Each is said plainly, and the next message works. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start();
});
afterAll(() => system.close());

const cancel = (id: string, messageId: string): Promise<unknown> =>
  system.api.post(system.api.path(`/workspaces/${id}/messages/${messageId}/cancel`), {}, 202);

/** Sends a message and waits for its end. */
async function turn(id: string, text: string): Promise<MessageView> {
  const { id: messageId } = await system.api.send(id, text);
  return system.api.untilEnded(id, messageId);
}

describe.each([
  {
    agent: 'claude',
    model: 'anthropic',
  },
  {
    agent: 'codex',
    model: 'openai',
  },
] as const)('$agent', ({ agent, model }) => {
  let emulator: ModelEmulator;
  let id: string;
  beforeAll(async () => {
    emulator = system[model];
    ({ id } = await system.runningWorkspace(agent, `failures-${agent}`));
  });
  afterEach(() => emulator.reset());

  it('is canceled while it speaks, with the message that waited behind it; the next one works', async () => {
    const slow = await system.api.send(id, 'slow 3');
    await until('the model waits', () => emulator.waiting === 1, 30);
    const waiting = await system.api.send(id, 'create never.txt');
    await cancel(id, waiting.id);
    expect(await system.api.untilEnded(id, waiting.id)).toMatchObject({ state: 'canceled', attempts: 0 });
    await cancel(id, slow.id);
    expect(await system.api.untilEnded(id, slow.id)).toMatchObject({ state: 'canceled', attempts: 1 });
    expect(
      (
        await system.api.call<{ code: string }>(
          'POST',
          system.api.path(`/workspaces/${id}/messages/${slow.id}/cancel`),
          {},
        )
      ).body.code,
    ).toBe('not-cancelable');
    expect(await turn(id, 'Good day')).toMatchObject({ state: 'completed' });
    const events = await system.api.events(id);
    expectWhole(events);
    expect(statesOf(events, slow.id)).toEqual(['queued', 'running', 'canceled']);
    expect(statesOf(events, waiting.id)).toEqual(['queued', 'canceled']);
  });

  it('is canceled in the middle of a command, whose processes end', async () => {
    const gated = await startGatedTurn(system, id);
    const runner = runnerOf(system.filesOf(id)) ?? 0;
    const working = familyOf(runner).filter(({ pid }) => pid !== runner);
    expect(working.length).toBeGreaterThan(1);
    await cancel(id, gated.message.id);
    expect(await system.api.untilEnded(id, gated.message.id)).toMatchObject({ state: 'canceled' });
    await until('the command has ended', () => !working.some(lives), 20);
    expect(await turn(id, 'remember pineapple')).toMatchObject({ state: 'completed' });
    const asked = await turn(id, 'what did I ask you to remember?');
    expect(await answerTo(system.api, id, asked.id)).toBe('You asked me to remember pineapple.');
  });

  it('heals by itself from two errors of the provider', async () => {
    emulator.fail({ status: 500, times: 2 });
    const healed = await turn(id, 'Good day');
    expect(healed).toMatchObject({ state: 'completed', attempts: 1 });
    expect(await answerTo(system.api, id, healed.id)).toBe('You said: Good day');
    expect(emulator.requests.map(({ status }) => status).filter((status) => status === 500)).toHaveLength(2);
  });

  it('fails with the reason while its provider is overloaded', async () => {
    // The header, which the real API sends too, spares Claude Code's ten retries in three minutes.
    emulator.fail({
      status: agent === 'claude' ? 529 : 503,
      times: 'always',
      headers: { 'x-should-retry': 'false' },
    });
    const failed = await turn(id, 'Good day');
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'agent-overloaded' } });
    expect(await answerTo(system.api, id, failed.id)).toBeUndefined();
    emulator.reset();
    expect(await turn(id, 'Good day')).toMatchObject({ state: 'completed' });
  });
});
