import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, isAlive } from '../testing/harness.js';
import { endProcesses } from './ending.js';
import { barredProcesses, leftoversBelow } from './family.js';
import { type ProcessInfo, readProcess, scanProcesses, signal } from './processes.js';

describe('ending processes', () => {
  let folder: string;
  const started: ChildProcess[] = [];
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'berth-ending-')));
  });
  afterEach(async () => {
    for (const child of started.splice(0)) if (child.pid !== undefined) signal(-child.pid, 'SIGKILL');
    await rm(folder, { recursive: true });
  });

  async function run(script: string, cwd: string): Promise<ProcessInfo> {
    const child = spawn('sh', ['-c', script], { cwd, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    started.push(child);
    await once(child.stdout, 'data');
    const info = readProcess(child.pid ?? 0);
    if (info === null) throw new Error('the process ended at once');
    return info;
  }
  const none = (): ProcessInfo[] => [];

  it('does not touch a process whose pid is right and whose start time is not', async () => {
    const bystander = await run('echo ready; exec sleep 1000', '/');
    await endProcesses([{ ...bystander, startTime: '1' }], none, 1000);
    expect(isAlive(bystander.pid)).toBe(true);
    await endProcesses([bystander], none, 1000);
    await eventually('the process is gone', () => !isAlive(bystander.pid));
  });

  it('refuses to end Berth’s own group, even when it is named', async () => {
    const self = readProcess(process.pid);
    if (self === null) throw new Error('cannot see myself');
    await endProcesses([{ ...self, startTime: 'not mine' }], () => [self], 10);
    expect(isAlive(process.pid)).toBe(true);
  });

  it('finds a daemon that works in the folder, and spares a session that only has a process looking into it', async () => {
    const daemon = await run(`echo ready; exec sleep 1000`, folder);
    const visitor = await run(`(cd "${folder}" && exec sleep 1001) & echo ready; wait`, '/');
    const child = (): ProcessInfo | undefined => scanProcesses().find(({ parent }) => parent === visitor.pid);
    await eventually('the visitor looks into the folder', () => child() !== undefined);
    const found = leftoversBelow(scanProcesses(), folder, barredProcesses());
    expect(found.map(({ pid }) => pid)).toEqual([daemon.pid]);
    await endProcesses([], (table) => leftoversBelow(table, folder, barredProcesses()), 0);
    expect(isAlive(daemon.pid)).toBe(false);
    expect(isAlive(visitor.pid)).toBe(true);
  });
});
