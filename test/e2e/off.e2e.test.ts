import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { answerTo, expectWhole } from './support/events.js';
import { commandLineOf, familyOf, lives, processesNaming, runnerOf } from './support/processes.js';
import { until } from '../emulators/until.js';
import { TestSystem } from './support/system.js';

/** BERTH_SANDBOX=off, for machines that are a sandbox themselves: the same work without bubblewrap, said loudly. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start({ environment: { BERTH_SANDBOX: 'off' } });
});
afterAll(() => system.close());

it('says at start that agents run without a sandbox', () => {
  expect(system.berth.output.join('')).toContain('AGENTS RUN WITHOUT A SANDBOX (BERTH_SANDBOX=off)');
});

describe.each(['claude', 'codex'] as const)('%s without a sandbox', (agent) => {
  it('does a turn, pushes it, sleeps without leaving a process, and remembers', async () => {
    const { id, branch, repository } = await system.runningWorkspace(agent, `off-${agent}`);
    const first = await system.api.send(id, 'create hello.txt');
    expect(await system.api.untilEnded(id, first.id)).toMatchObject({
      state: 'completed',
      receipts: [{ scope: 'user' }],
    });
    expect(await readFile(path.join(system.treeOf(id), 'hello.txt'), 'utf8')).toBe('Hello from hello.txt\n');
    expect(await repository.git('log', '-1', '--format=%an|%s', branch)).toBe(
      'Ada Lovelace|create hello.txt',
    );

    const second = await system.api.send(id, 'remember pineapple');
    expect(await system.api.untilEnded(id, second.id)).toMatchObject({ state: 'completed' });
    await hibernateInTheMiddle(id, agent);
    const third = await system.api.send(id, 'what did I ask you to remember?');
    expect(await system.api.untilEnded(id, third.id)).toMatchObject({ state: 'completed' });
    expect(await answerTo(system.api, id, third.id)).toBe('You asked me to remember pineapple.');
    expectWhole(await system.api.events(id));
    await system.deleteWorkspace(id);
    expect(processesNaming(id)).toEqual([]);
  });
});

/** Puts it to sleep while the agent works. Nothing but the runner holds the agent's processes together here, so they are looked for one by one. */
async function hibernateInTheMiddle(id: string, agent: 'claude' | 'codex'): Promise<void> {
  const emulator = agent === 'claude' ? system.anthropic : system.openai;
  const slow = await system.api.send(id, 'slow 2');
  await until('the agent waits for the model', () => emulator.waiting === 1, 30);
  const family = familyOf(runnerOf(system.filesOf(id)) ?? 0);
  const lines = family.map(({ pid }) => commandLineOf(pid));
  expect(lines.filter((line) => line.includes('bwrap'))).toEqual([]);
  expect(lines.some((line) => line.includes(agent))).toBe(true);
  await system.api.post(system.api.path(`/workspaces/${id}/hibernate`), {}, 202);
  await system.api.untilState(id, 'hibernated');
  expect(family.filter(lives)).toEqual([]);
  expect(processesNaming(id)).toEqual([]);
  expect(await system.api.untilEnded(id, slow.id)).toMatchObject({ state: 'canceled' });
}
