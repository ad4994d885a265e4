import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RUNNER_PROTOCOL, runnerFileSchema } from '../../contracts/runner.js';
import { systemIds } from '../../kernel/index.js';
import { askRoute, eventually, Harness, isAlive, routeWhere } from '../testing/harness.js';
import { readRunnerPid } from './runner-file.js';

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('LocalRuntime', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.make();
  });
  afterEach(() => harness.cleanUp());

  it('starts a runner, opens its way out, and writes files that only the owner may read', async () => {
    const runtime = await harness.openRuntime();
    const request = harness.request();
    expect(await runtime.inspect(request.workspaceId)).toBe('absent');

    expect(await runtime.start(request)).toEqual({ adopted: false });

    const pid = await harness.runnerPid(request.workspaceId);
    const files = harness.files(request.workspaceId);
    const file = runnerFileSchema.parse(JSON.parse(readFileSync(files.runnerFile, 'utf8')));
    expect(file).toMatchObject({ runnerToken: request.runnerToken, sandbox: { mode: 'off' } });
    expect(statSync(files.runnerFile).mode & 0o777).toBe(0o600);
    expect(statSync(files.root).mode & 0o777).toBe(0o700);
    expect((await readRunnerPid(files.pidFile))?.pid).toBe(pid);
    const told = await askRoute(harness.socket(request.workspaceId));
    expect(told).toMatchObject({
      workspaceId: request.workspaceId,
      placeholder: file.placeholder,
      digest: digestOf(request.proxyToken),
      git: request.git,
      configuration: { internalUrl: 'http://127.0.0.1:9' },
    });
    expect(await readdir(file.socketDirectory)).toEqual(['s']);
    expect(await runtime.inspect(request.workspaceId)).toBe('running');
    expect(await runtime.list()).toEqual([request.workspaceId]);
  });

  it('gives the runner an allow-listed environment and nothing of its own', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    await harness.runnerPid(workspaceId);
    const seen = JSON.parse(
      readFileSync(join(harness.files(workspaceId).scratch, 'environment.json'), 'utf8'),
    ) as Record<string, string>;
    expect(Object.keys(seen).sort()).toEqual(['HOME', 'LANG', 'PATH', 'TZ']);
  });

  it('adopts a living runner: same process, same placeholder, new proxy token', async () => {
    const runtime = await harness.openRuntime();
    const first = harness.request();
    await runtime.start(first);
    const pid = await harness.runnerPid(first.workspaceId);
    const before = await askRoute(harness.socket(first.workspaceId));
    const second = harness.request(first.workspaceId);

    expect(await runtime.start(second)).toEqual({ adopted: true });

    const after = await askRoute(harness.socket(first.workspaceId));
    expect(after?.placeholder).toBe(before?.placeholder);
    expect(after?.digest).toBe(digestOf(second.proxyToken));
    expect(harness.startedPids(first.workspaceId)).toEqual([pid]);
    expect(readFileSync(harness.files(first.workspaceId).runnerFile, 'utf8')).toContain(first.runnerToken);
  });

  it('adopts a runner whose pid never reached the disk', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const pid = await harness.runnerPid(workspaceId);
    const { pidFile } = harness.files(workspaceId);
    await writeFile(pidFile, '{"pid":');
    expect(await runtime.inspect(workspaceId)).toBe('running');
    expect(await runtime.start(harness.request(workspaceId))).toEqual({ adopted: true });
    expect((await readRunnerPid(pidFile))?.pid).toBe(pid);
  });

  it('replaces a living runner that was told another control plane', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const old = await harness.runnerPid(workspaceId);
    const moved = await harness.openRuntime({ internalUrl: () => 'http://127.0.0.1:10' });
    expect(await moved.start(harness.request(workspaceId))).toEqual({ adopted: false });
    expect(await harness.runnerPid(workspaceId, 2)).not.toBe(old);
    expect(isAlive(old)).toBe(false);
  });

  it('replaces a living runner of a Berth that spoke otherwise', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const old = await harness.runnerPid(workspaceId);
    const { runnerFile } = harness.files(workspaceId);
    const { protocol, ...before } = runnerFileSchema.parse(JSON.parse(readFileSync(runnerFile, 'utf8')));
    expect(protocol).toBe(RUNNER_PROTOCOL);
    await writeFile(runnerFile, JSON.stringify(before));
    expect(await runtime.start(harness.request(workspaceId))).toEqual({ adopted: false });
    expect(await harness.runnerPid(workspaceId, 2)).not.toBe(old);
    expect(isAlive(old)).toBe(false);
  });

  it('starts one runner when asked many times at once', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    const answers = await Promise.all([1, 2, 3, 4].map(() => runtime.start(harness.request(workspaceId))));
    expect(answers.filter(({ adopted }) => !adopted)).toHaveLength(1);
    await harness.runnerPid(workspaceId);
    expect(harness.startedPids(workspaceId)).toHaveLength(1);
  });

  it('stops in order, keeps the files, closes the way out, and does nothing the second time', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const pid = await harness.runnerPid(workspaceId);
    const files = harness.files(workspaceId);
    await writeFile(join(files.tree, 'work'), 'kept');

    await runtime.stop(workspaceId);
    await runtime.stop(workspaceId);

    expect(isAlive(pid)).toBe(false);
    expect(readFileSync(join(files.scratch, 'terminated'), 'utf8').trim()).toBe(String(pid));
    expect(readFileSync(join(files.tree, 'work'), 'utf8')).toBe('kept');
    expect(await askRoute(harness.socket(workspaceId))).toBeNull();
    expect(existsSync(files.runnerFile)).toBe(false);
    expect(await runtime.inspect(workspaceId)).toBe('stopped');
    expect(await runtime.start(harness.request(workspaceId))).toEqual({ adopted: false });
  });

  it('leaves no process over, not even those that ignore SIGTERM or left their parents', async () => {
    await harness.standIns.planRunner({ ignoreTerm: true, family: true });
    const runtime = await harness.openRuntime({ stopGraceSeconds: 0.5 });
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const pids = [await harness.runnerPid(workspaceId), ...(await harness.familyPids(workspaceId))];
    expect(pids.filter(isAlive)).toEqual(pids);
    await runtime.stop(workspaceId);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('ends what a killed runner left behind before a new one starts', async () => {
    await harness.standIns.planRunner({ family: true });
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const runner = await harness.runnerPid(workspaceId);
    const family = await harness.familyPids(workspaceId);
    process.kill(runner, 'SIGKILL');
    await eventually('the runner is gone', () => !isAlive(runner));
    expect(family.filter(isAlive)).toEqual(family);
    await harness.standIns.planRunner({});

    expect(await runtime.start(harness.request(workspaceId))).toEqual({ adopted: false });

    expect(family.filter(isAlive)).toEqual([]);
    expect(isAlive(await harness.runnerPid(workspaceId, 2))).toBe(true);
  });

  it('never touches a process that has a recorded pid but another start time', async () => {
    const runtime = await harness.openRuntime();
    const [bystander, victim] = [harness.request(), harness.request()];
    await runtime.start(bystander);
    const pid = await harness.runnerPid(bystander.workspaceId);
    const files = harness.files(victim.workspaceId);
    await mkdir(files.root, { recursive: true });
    await writeFile(files.pidFile, JSON.stringify({ pid, startTime: '1' }));

    expect(await runtime.inspect(victim.workspaceId)).toBe('stopped');
    await runtime.destroy(victim.workspaceId);
    expect(isAlive(pid)).toBe(true);
    expect(await runtime.inspect(bystander.workspaceId)).toBe('running');
  });

  it('destroys: no process, no file, no socket folder; twice is fine', async () => {
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const pid = await harness.runnerPid(workspaceId);
    await runtime.destroy(workspaceId);
    await runtime.destroy(workspaceId);
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(harness.files(workspaceId).root)).toBe(false);
    expect(existsSync(harness.socket(workspaceId))).toBe(false);
    expect(await runtime.inspect(workspaceId)).toBe('absent');
    expect(await runtime.list()).toEqual([]);
  });

  it('closes: ends all runners and the proxy, and refuses new starts', async () => {
    const runtime = await harness.openRuntime();
    const ids = [harness.request(), harness.request(), harness.request()].map((each) => each.workspaceId);
    for (const id of ids) await runtime.start(harness.request(id));
    const pids = await Promise.all(ids.map((id) => harness.runnerPid(id)));
    const proxy = runtime.proxyPid ?? 0;
    expect(isAlive(proxy)).toBe(true);
    await runtime.close();
    expect([...pids, proxy].filter(isAlive)).toEqual([]);
    await expect(runtime.start(harness.request())).rejects.toMatchObject({ code: 'not-ready' });
  });

  it('says not-ready before it is opened', async () => {
    await expect(harness.runtime().start(harness.request())).rejects.toMatchObject({ code: 'not-ready' });
  });

  it.each(['..', '../../etc', 'x/y', ''])('refuses %j as a workspace id', async (workspaceId) => {
    const runtime = await harness.openRuntime();
    await expect(runtime.destroy(workspaceId)).rejects.toMatchObject({ code: 'not-found' });
    await expect(runtime.start(harness.request(workspaceId))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('names the agent that is missing, and git', async () => {
    const runtime = await harness.openRuntime();
    await expect(runtime.start({ ...harness.request(), agent: 'codex' })).rejects.toMatchObject({
      code: 'agent-missing',
      message: 'Codex is not installed. Run `berth agents install codex`, or set CODEX_BIN.',
    });
    const bare = await harness.openRuntime({ path: join(harness.directory, 'nothing') });
    await expect(bare.start(harness.request())).rejects.toMatchObject({
      code: 'runtime-failed',
      message: expect.stringContaining('apt-get install git') as string,
    });
  });

  it('says what to do when the data directory cannot be written, and opens no way out', async () => {
    const runtime = await harness.openRuntime();
    const request = harness.request();
    await mkdir(harness.dataDirectory, { recursive: true });
    await writeFile(join(harness.dataDirectory, 'workspaces'), 'a file where a folder should be');
    await expect(runtime.start(request)).rejects.toMatchObject({
      code: 'runtime-failed',
      message: expect.stringMatching(/^Starting the workspace failed\. .*try again/) as string,
    });
    expect(await askRoute(harness.socket(request.workspaceId))).toBeNull();
  });

  it('works in a data directory whose path is too long for a socket', async () => {
    const dataDirectory = join(harness.directory, 'deep'.repeat(20), 'deeper'.repeat(10));
    const runtime = await harness.openRuntime({ dataDirectory });
    const request = harness.request();
    await runtime.start(request);
    const socket = harness.socket(request.workspaceId, undefined, dataDirectory);
    expect(Buffer.byteLength(socket)).toBeLessThan(100);
    expect((await askRoute(socket))?.workspaceId).toBe(request.workspaceId);
    await runtime.destroy(request.workspaceId);
    expect(existsSync(socket)).toBe(false);
    await rmdir(dirname(dirname(socket)));
  });

  it('opens all routes again when the proxy is killed', async () => {
    const runtime = await harness.openRuntime();
    const requests = [harness.request(), harness.request()];
    for (const request of requests) await runtime.start(request);
    const killed = runtime.proxyPid ?? 0;
    process.kill(killed, 'SIGKILL');
    for (const request of requests) {
      const told = await routeWhere(harness.socket(request.workspaceId), ({ pid }) => pid !== killed);
      expect(told.digest).toBe(digestOf(request.proxyToken));
    }
    const late = harness.request();
    await runtime.start(late);
    expect((await askRoute(harness.socket(late.workspaceId)))?.digest).toBe(digestOf(late.proxyToken));
  });

  it('leaves nothing running when the proxy refuses the route', async () => {
    await harness.standIns.planProxy({ refuse: true });
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await expect(runtime.start(harness.request(workspaceId))).rejects.toMatchObject({
      code: 'runtime-failed',
    });
    expect(harness.startedPids(workspaceId)).toEqual([]);
    expect(existsSync(harness.files(workspaceId).runnerFile)).toBe(false);
    expect(await runtime.inspect(workspaceId)).toBe('stopped');
  });

  it('reports a runner that ended by itself as stopped, and starts a new one', async () => {
    await harness.standIns.planRunner({ exit: true });
    const runtime = await harness.openRuntime();
    const { workspaceId } = harness.request();
    await runtime.start(harness.request(workspaceId));
    const pid = await harness.runnerPid(workspaceId);
    await eventually('the runner is gone', () => !isAlive(pid));
    expect(await runtime.inspect(workspaceId)).toBe('stopped');
    await harness.standIns.planRunner({});
    expect(await runtime.start(harness.request(workspaceId))).toEqual({ adopted: false });
    expect(readFileSync(harness.files(workspaceId).logFile, 'utf8')).toContain('runner speaks');
  });

  it('lists files and processes of workspaces, and nothing else', async () => {
    const runtime = await harness.openRuntime();
    const withFiles = systemIds.next();
    await mkdir(join(harness.dataDirectory, 'workspaces', withFiles), { recursive: true });
    await mkdir(join(harness.dataDirectory, 'workspaces', 'lost+found'));
    const running = harness.request();
    await runtime.start(running);
    expect(await runtime.list()).toEqual([withFiles, running.workspaceId].sort());
  });
});
