import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '../emulators/until.js';
import { expectCompletedOnce, expectWhole, statesOf } from './support/events.js';
import { lives, processesNaming, proxyOf, runnerOf } from './support/processes.js';
import { TestSystem } from './support/system.js';
import { runnerFamily, startGatedTurn, startSlowTurn } from './support/turns.js';

/** One part of a living Berth killed in the middle of a turn. Berth itself goes on, and nobody has to do anything. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start();
});
afterAll(() => system.close());

describe.each([
  { agent: 'claude', model: 'anthropic' },
  { agent: 'codex', model: 'openai' },
] as const)('in a turn of $agent', ({ agent, model }) => {
  it('the runner killed with -9 leaves nothing running, and another continues', async () => {
    const { id } = await system.runningWorkspace(agent, `runner-${agent}`);
    const slow = await startSlowTurn(system, system[model], id, 3);
    const { runner, family } = runnerFamily(system, id);
    process.kill(runner, 'SIGKILL');
    await until('the agent has ended with its runner', () => !family.some(lives), 20);
    await slow.finish();
    await expectCompletedOnce(system.api, id, slow.message, { answer: slow.answer, attempts: 2 });
    expect(runnerOf(system.filesOf(id))).not.toBeNull();
    await system.deleteWorkspace(id);
    expect(processesNaming(id)).toEqual([]);
  });

  it('the proxy killed with -9 is there again, and the agent goes on by itself', async () => {
    const { id } = await system.runningWorkspace(agent, `proxy-${agent}`);
    const slow = await startSlowTurn(system, system[model], id, 3);
    const { runner } = runnerFamily(system, id);
    const proxy = proxyOf(system.berth.pid);
    expect(proxy).not.toBeNull();
    process.kill(proxy ?? 0, 'SIGKILL');
    await slow.finish();
    await expectCompletedOnce(system.api, id, slow.message, { answer: slow.answer, attempts: 1 });
    expect(proxyOf(system.berth.pid)).not.toBe(proxy);
    expect(runnerOf(system.filesOf(id))).toBe(runner);
    await system.deleteWorkspace(id);
  });
});

describe('the embedded Postgres killed with -9', () => {
  /** Process number of the server, from the file it keeps in its data directory; null while there is none. */
  const postmaster = async (): Promise<number | null> => {
    const file = path.join(system.berth.dataDirectory, 'postgres', 'cluster', 'data', 'postmaster.pid');
    const text = await readFile(file, 'utf8').catch(() => '');
    return Number.parseInt(text, 10) || null;
  };

  it('comes back under a Berth that goes on: provisioning, a turn and its events too', async () => {
    const { id } = await system.runningWorkspace('claude', 'postgres');
    const gated = await startGatedTurn(system, id);
    const { pid } = system.berth;
    const { runner } = runnerFamily(system, id);
    const repository = await system.repository('provisioned');
    const killed = await postmaster();
    const provisioning = await system.api.createWorkspace({ repository: repository.url, agent: 'claude' });
    expect(provisioning.state).toBe('provisioning');
    process.kill(killed ?? 0, 'SIGKILL');
    // The turn ends while there is no database to tell it to.
    await gated.open();
    await system.api.poll('another server runs', async () =>
      [null, killed].includes(await postmaster()) ? null : true,
    );
    await system.api.poll('Berth is ready again', async () => {
      const { status } = await system.api.call('GET', '/readyz');
      return status === 200 ? true : null;
    });

    await expectCompletedOnce(system.api, id, gated.message, { answer: 'the gate is open', attempts: 1 });
    expect(await gated.timesRun()).toBe(1);
    await system.api.untilState(provisioning.id, 'running');
    const events = await system.api.events(provisioning.id);
    expectWhole(events);
    expect(statesOf(events)).toEqual(['provisioning', 'running']);
    expect([system.berth.pid, runnerOf(system.filesOf(id))]).toEqual([pid, runner]);
    // And it works on as ever, live readers too.
    const before = (await system.api.events(id)).length;
    const reading = system.api.stream(id, String(before), (live) =>
      live.some(({ data }) => data.state === 'completed'),
    );
    const next = await system.api.send(id, 'Good day');
    expect(await system.api.untilEnded(id, next.id)).toMatchObject({ state: 'completed' });
    expect((await reading)[0]?.seq).toBe(before + 1);
  });
});
