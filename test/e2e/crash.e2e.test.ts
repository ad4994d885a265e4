import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { MessageView } from '../../src/contracts/index.js';
import { until } from '../emulators/until.js';
import { expectCompletedOnce, expectWhole, statesOf, streamedText } from './support/events.js';
import { freePort } from './support/ports.js';
import { lives, processesNaming, runnerOf, type ProcessName } from './support/processes.js';
import { TestSystem } from './support/system.js';
import { runnerFamily, startGatedTurn, startSlowTurn } from './support/turns.js';

/** Berth taken away in the middle of its work: nothing is lost, nothing is done or told twice, nothing is left over. */

let system: TestSystem;
let port: number;
/** Every process of a runner that was seen, so that the end can ask for each of them. */
const seen: ProcessName[] = [];
const made: string[] = [];

beforeAll(async () => {
  port = await freePort();
  system = await TestSystem.start({ environment: { PORT: String(port) } });
});
afterAll(() => system.close());

async function workspace(agent: 'claude' | 'codex', name: string): Promise<string> {
  const { id } = await system.runningWorkspace(agent, name);
  made.push(id);
  return id;
}

function remember(workspaceId: string): number {
  const { runner, family } = runnerFamily(system, workspaceId);
  seen.push(...family);
  return runner;
}

/** The lines that streamed: those of the answer that was cut off, then those of the whole one. Each piece once per answer of the model. */
function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

describe('kill -9 of Berth', () => {
  it('in a clone and in two turns: all three go on with the runners they had', async () => {
    const claude = await workspace('claude', 'killed-claude');
    const codex = await workspace('codex', 'killed-codex');
    const gated = await startGatedTurn(system, claude);
    const slow = await startSlowTurn(system, system.openai, codex, 3);
    await system.git.createRepository('acme/held');
    system.git.fail({ mode: 'hang' });
    const cloning = await system.api.createWorkspace({
      repository: 'acme/held',
      agent: 'claude',
      message: 'create hello.txt',
    });
    made.push(cloning.id);
    await until('the clone hangs', () => system.git.requests.length === 1, 30);
    const runners = [claude, codex, cloning.id].map(remember);
    const before = await system.api.events(codex);

    await system.berth.kill();
    // The agents work on while nobody listens.
    await gated.open();
    await system.restart();
    expect(new URL(system.api.url).port).toBe(String(port));

    await slow.finish();
    await expectCompletedOnce(system.api, claude, gated.message, { answer: 'the gate is open', attempts: 1 });
    expect(await gated.timesRun()).toBe(1);
    await expectCompletedOnce(system.api, codex, slow.message, { answer: slow.answer, attempts: 1 });
    const events = await system.api.events(codex);
    expect(events.slice(0, before.length)).toEqual(before);
    expect(linesOf(streamedText(events, slow.message.id))).toEqual(['piece 1 of 3', ...linesOf(slow.answer)]);

    await system.api.untilState(cloning.id, 'running');
    const [first] = await system.api.messages(cloning.id);
    expect(await system.api.untilEnded(cloning.id, first?.id ?? '')).toMatchObject({ state: 'completed' });
    const told = await system.api.events(cloning.id);
    expectWhole(told);
    expect(statesOf(told)).toEqual(['provisioning', 'running']);
    expect([claude, codex, cloning.id].map((id) => runnerOf(system.filesOf(id)))).toEqual(runners);
  });
});

describe('kill -9 of Berth right after it accepted what was asked', () => {
  it('carries all of it out after the next start', async () => {
    const [sleeper, doomed] = [await workspace('claude', 'sleeper'), await workspace('claude', 'doomed')];
    const { url } = await system.repository('accepted');
    remember(doomed);
    const sleeping = runnerFamily(system, sleeper).family;
    const { api } = system;
    await api.post(api.path(`/workspaces/${sleeper}/hibernate`), {}, 202);
    await api.call('DELETE', api.path(`/workspaces/${doomed}`), undefined, 202);
    const { id } = await api.createWorkspace({
      repository: url,
      agent: 'codex',
      message: 'create hello.txt',
    });
    made.push(id);
    await system.berth.kill();
    await system.restart();

    await system.api.untilState(sleeper, 'hibernated');
    expect(sleeping.filter(lives)).toEqual([]);
    await system.api.untilState(id, 'running');
    const [message] = (await system.api.messages(id)) as [MessageView];
    await expectCompletedOnce(system.api, id, message, { answer: 'Created hello.txt.', attempts: 1 });
    await system.api.poll('the deleted one is gone', async () => {
      const { status } = await system.api.call('GET', system.api.path(`/workspaces/${doomed}`));
      return status === 404 ? true : null;
    });
    made.splice(made.indexOf(doomed), 1);
    expect(processesNaming(doomed)).toEqual([]);
  });
});

describe('kill -9 of Berth, and a start on another port', () => {
  it('replaces the runners, which cannot find it any more, and continues their turn', async () => {
    const id = await workspace('claude', 'moved');
    const slow = await startSlowTurn(system, system.anthropic, id, 3);
    const old = remember(id);
    await system.berth.kill();
    await system.restart({ PORT: String(await freePort()) });
    expect(new URL(system.api.url).port).not.toBe(String(port));

    await slow.finish();
    await expectCompletedOnce(system.api, id, slow.message, { answer: slow.answer, attempts: 2 });
    const replaced = remember(id);
    expect(replaced).not.toBe(old);
    const lines = linesOf(streamedText(await system.api.events(id), slow.message.id));
    expect(lines).toEqual(['piece 1 of 3', ...linesOf(slow.answer)]);
  });
});

describe('SIGTERM in the middle of turns', () => {
  it('ends in order within 15 s with its runners; the turns continue after the next start', async () => {
    const claude = await workspace('claude', 'stopped-claude');
    const codex = await workspace('codex', 'stopped-codex');
    const first = await startSlowTurn(system, system.anthropic, claude, 2);
    const second = await startSlowTurn(system, system.openai, codex, 2);
    const families = [claude, codex].map((id) => runnerFamily(system, id).family);
    const begun = performance.now();
    expect(await system.berth.stop()).toBe(0);
    expect(performance.now() - begun).toBeLessThan(15_000);
    expect(families.flat().filter(lives)).toEqual([]);
    expect(processesNaming(system.berth.dataDirectory)).toEqual([]);

    await system.restart();
    await first.finish();
    await second.finish();
    await expectCompletedOnce(system.api, claude, first.message, { answer: first.answer, attempts: 2 });
    await expectCompletedOnce(system.api, codex, second.message, { answer: second.answer, attempts: 2 });
  });
});

describe('no Berth for BERTH_RUNNER_ORPHAN_SECONDS after a kill -9', () => {
  it('ends the runner and its agent by itself; the next start continues the turn', async () => {
    await system.berth.stop();
    await system.restart({ BERTH_RUNNER_ORPHAN_SECONDS: '3' });
    const id = await workspace('claude', 'orphaned');
    const idle = remember(id);
    // A quiet turn of more than those seconds is no reason: the control plane is there.
    const quiet = await system.api.send(id, 'run sleep 4; echo slept');
    await expectCompletedOnce(system.api, id, quiet, { answer: 'slept', attempts: 1 });
    expect(runnerOf(system.filesOf(id))).toBe(idle);
    const slow = await startSlowTurn(system, system.anthropic, id, 2);
    const { family } = runnerFamily(system, id);
    await system.berth.kill();
    expect(family.filter(lives).length).toBeGreaterThan(0);
    await until('the runner and all below it have ended', () => !family.some(lives), 20);

    await system.restart();
    await slow.finish();
    await expectCompletedOnce(system.api, id, slow.message, { answer: slow.answer, attempts: 2 });
  });
});

describe('after all of it', () => {
  it('leaves no process and no file behind', async () => {
    for (const id of made) await system.deleteWorkspace(id);
    expect(await readdir(path.join(system.berth.dataDirectory, 'workspaces'))).toEqual([]);
    expect(made.flatMap((id) => processesNaming(id))).toEqual([]);
    expect(seen.length).toBeGreaterThan(made.length);
    expect(seen.filter(lives)).toEqual([]);
    expect(await system.berth.stop()).toBe(0);
    expect(processesNaming(system.berth.dataDirectory)).toEqual([]);
  });
});
