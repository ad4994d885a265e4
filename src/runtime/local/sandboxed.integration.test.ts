import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Harness } from '../testing/harness.js';
import { until } from './deadline.js';
import { findProgram } from './programs.js';
import { readProcess, scanProcesses, signal, type ProcessInfo } from './processes.js';
import { sandboxedOn } from './sandboxed.js';

const DEADLINE_MS = 10_000;

describe('a sandbox that outlived its runner', () => {
  let harness: Harness;
  const started: ChildProcess[] = [];

  beforeEach(async () => {
    harness = await Harness.make();
  });
  afterEach(async () => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    await harness.cleanUp();
  });

  /** A sandbox on the tree whose bwrap is gone at once, as after an agent that took over process 1. Answers who lives on in it. */
  async function orphanOn(workspaceId: string): Promise<ProcessInfo[]> {
    const { tree } = harness.files(workspaceId);
    await mkdir(tree, { recursive: true });
    const bwrap = (await findProgram('bwrap', harness.options().path)) ?? 'bwrap';
    const system = ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'];
    const args = [...system, '--bind', tree, '/tmp', '--new-session', 'tail', '-f', '/dev/null'];
    const child = spawn(bwrap, args, { stdio: 'ignore', detached: true });
    started.push(child);
    // bwrap outside, its own process 1 inside, and the command.
    await until(() => sandboxedOn(scanProcesses(), tree, workspaceId).length === 2, DEADLINE_MS);
    const inside = sandboxedOn(scanProcesses(), tree, workspaceId);
    child.kill('SIGKILL');
    await until(() => readProcess(child.pid ?? 0) === null, DEADLINE_MS);
    return inside;
  }

  it('is found and ended when the workspace stops, and another workspace’s is not', async () => {
    const request = harness.request();
    const mine = await orphanOn(request.workspaceId);
    const other = await orphanOn(randomUUID());
    expect(mine).toHaveLength(2);
    const runtime = await harness.openRuntime();

    await runtime.stop(request.workspaceId);

    expect(mine.map(({ pid }) => readProcess(pid))).toEqual([null, null]);
    expect(other.map(({ pid }) => readProcess(pid)?.pid)).toEqual(other.map(({ pid }) => pid));
    for (const { pid } of other) signal(pid, 'SIGKILL');
  });
});
