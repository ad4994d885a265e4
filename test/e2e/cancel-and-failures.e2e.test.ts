import { agentNames, type MessageView } from '../../src/contracts/index.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import { until } from '../emulators/until.js';
import { answerTo, expectWhole, statesOf } from './support/events.js';
import { familyOf, lives, runnerOf } from './support/processes.js';
import { credentials, TestSystem } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/** Turns that do not end well: canceled by a person, refused by the provider. Each is said plainly, and the next message works. */

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

/** Every piece of eight characters of the secret part of a key; none of them may be told to anybody. */
function piecesOf(key: string): string[] {
  const secret = key.replace(/^sk-(ant-api03-)?/, '');
  return Array.from({ length: secret.length - 7 }, (_, at) => secret.slice(at, at + 8));
}

/** Everything that a reader of the workspace can see. */
async function allToldOf(id: string): Promise<string> {
  return JSON.stringify([
    await system.api.workspace(id),
    await system.api.messages(id),
    await system.api.events(id),
  ]);
}

describe.each([
  {
    agent: 'claude',
    model: 'anthropic',
    key: credentials.anthropicApiKey,
    other: 'sk-ant-api03-anotherKeyOfAda-9876543210',
    kind: 'anthropic_api_key',
  },
  {
    agent: 'codex',
    model: 'openai',
    key: credentials.openaiApiKey,
    other: 'sk-anotherKeyOfAda-9876543210',
    kind: 'openai_api_key',
  },
] as const)('$agent', ({ agent, model, key, other, kind }) => {
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

  it('fails after three attempts when its key is revoked, and tells no piece of it; a new key works', async () => {
    emulator.revoke(key);
    const failed = await turn(id, 'Good day');
    const message = `Couldn't authenticate with ${agentNames[agent]} after multiple attempts.`;
    expect(failed).toMatchObject({
      state: 'failed',
      attempts: 3,
      error: { code: 'authentication-failed', message },
    });
    expect(await system.api.workspace(id)).toMatchObject({ authentication: 'failed' });
    // A turn that never reached the model has no receipt.
    expect(failed.receipts).toEqual([]);
    const told = await allToldOf(id);
    expect(piecesOf(key).filter((piece) => told.includes(piece))).toEqual([]);
    expect(piecesOf(key).filter((piece) => system.berth.output.join('').includes(piece))).toEqual([]);

    emulator.accept(other);
    await system.api.setCredential('user', kind, { apiKey: other });
    expect(await turn(id, 'Good day')).toMatchObject({
      state: 'completed',
      receipts: [{ kind, generation: 2 }],
    });
    expect(emulator.requests.at(-1)?.credential.value).toBe(other);
    expect(await system.api.workspace(id)).toMatchObject({ authentication: 'ok' });
  });
});
