import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunnerFile, runnerFileSchema } from '../../contracts/runner.js';
import { Harness } from '../testing/harness.js';
import { RecordingLog } from '../testing/recording-log.js';
import { findProgram } from './programs.js';
import { probeSandbox } from './sandbox-probe.js';

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

describe('sandbox modes', () => {
  let harness: Harness;
  let bin: string;
  let log: RecordingLog;

  beforeEach(async () => {
    harness = await Harness.make();
    log = new RecordingLog();
    bin = join(harness.directory, 'bin');
    await mkdir(bin);
    await symlink((await findProgram('git', SYSTEM_PATH)) ?? 'no git on this machine', join(bin, 'git'));
  });
  afterEach(() => harness.cleanUp());

  async function installBubblewrap(script: string): Promise<void> {
    await writeFile(join(bin, 'bwrap'), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, 'bwrap'), 0o755);
  }
  const FORBIDDEN = 'echo "bwrap: No permissions to create new namespace" >&2; exit 1';

  async function runnerFile(workspaceId: string): Promise<RunnerFile> {
    return runnerFileSchema.parse(JSON.parse(await readFile(harness.files(workspaceId).runnerFile, 'utf8')));
  }

  it('finds that the real bubblewrap works', async () => {
    expect(await probeSandbox(SYSTEM_PATH)).toEqual({
      state: 'working',
      bwrap: await findProgram('bwrap', SYSTEM_PATH),
    });
  });

  it('tells missing from forbidden', async () => {
    expect(await probeSandbox(bin)).toEqual({ state: 'missing' });
    await installBubblewrap(FORBIDDEN);
    expect(await probeSandbox(bin)).toEqual({
      state: 'forbidden',
      bwrap: join(bin, 'bwrap'),
      reason: 'bwrap: No permissions to create new namespace',
    });
  });

  it('required: uses bubblewrap', async () => {
    const runtime = await harness.openRuntime({ sandboxMode: 'required', log });
    const request = harness.request();
    await runtime.start(request);
    expect((await runnerFile(request.workspaceId)).sandbox).toEqual({
      mode: 'bubblewrap',
      bwrap: await findProgram('bwrap', harness.options().path),
    });
    expect(log.messages('warn')).toEqual([]);
  });

  it('required and missing: Berth starts and says so, a workspace fails naming the package, and installing it is enough', async () => {
    const runtime = await harness.openRuntime({ sandboxMode: 'required', path: bin, log });
    expect(log.messages('error').join()).toContain('apt-get install bubblewrap');
    const request = harness.request();
    await expect(runtime.start(request)).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('apt-get install bubblewrap') as string,
    });
    expect(harness.startedPids(request.workspaceId)).toEqual([]);

    await installBubblewrap('exit 0');
    expect(await runtime.start(request)).toEqual({ adopted: false });
    expect((await runnerFile(request.workspaceId)).sandbox.mode).toBe('bubblewrap');
  });

  it('required and forbidden: the error tells what the kernel said and what to allow', async () => {
    await installBubblewrap(FORBIDDEN);
    const runtime = await harness.openRuntime({ sandboxMode: 'required', path: bin });
    await expect(runtime.start(harness.request())).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringMatching(/No permissions to create new namespace.*user namespaces/) as string,
    });
  });

  it('preferred: falls back with a warning at each start', async () => {
    await installBubblewrap(FORBIDDEN);
    const runtime = await harness.openRuntime({ sandboxMode: 'preferred', path: bin, log });
    const requests = [harness.request(), harness.request()];
    for (const request of requests) await runtime.start(request);
    for (const { workspaceId } of requests) {
      expect((await runnerFile(workspaceId)).sandbox.mode).toBe('off');
      const warned = log.lines.filter(
        ({ level, fields }) =>
          level === 'warn' && 'workspaceId' in fields && fields.workspaceId === workspaceId,
      );
      expect(warned.map(({ message }) => message).join()).toContain('WITHOUT a sandbox');
    }
  });

  it('off: says so loudly at the start', async () => {
    await harness.openRuntime({ sandboxMode: 'off', log });
    expect(log.messages('warn').join()).toContain('WITHOUT A SANDBOX');
  });

  it('replaces a living runner without a sandbox once a sandbox is required', async () => {
    const { workspaceId } = harness.request();
    const before = await harness.openRuntime({ sandboxMode: 'off' });
    await before.start(harness.request(workspaceId));
    const after = await harness.openRuntime({ sandboxMode: 'required' });
    expect(await after.start(harness.request(workspaceId))).toEqual({ adopted: false });
    expect((await runnerFile(workspaceId)).sandbox.mode).toBe('bubblewrap');
  });
});
