import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { askRoute, eventually, Harness, isAlive } from '../testing/harness.js';
import type { RuntimeStart } from '../runtime.js';

/** Starts Berth's stand-in as a process of its own and waits until its workspaces run. */
async function runBerth(
  harness: Harness,
  requests: RuntimeStart[],
): Promise<{ berth: ChildProcess; proxyPid: number }> {
  const { internalUrl, log: _log, ids: _ids, ...options } = harness.options();
  const program = join(process.cwd(), 'src/runtime/testing/berth-stand-in.ts');
  const berth = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  berth.stdin.end(JSON.stringify({ options, internalUrl: internalUrl(), requests }));
  const [line] = (await once(berth.stdout, 'data')) as [Buffer];
  return { berth, ...(JSON.parse(line.toString()) as { proxyPid: number }) };
}

describe('Berth killed (SIGKILL)', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.make();
  });
  afterEach(() => harness.cleanUp());

  it('leaves the runners alive and the proxy not; the next Berth adopts them', async () => {
    const requests = [harness.request(), harness.request()];
    const { berth, proxyPid } = await runBerth(harness, requests);
    const ids = requests.map(({ workspaceId }) => workspaceId);
    const pids = await Promise.all(ids.map((id) => harness.runnerPid(id)));
    const sockets = ids.map((id) => harness.socket(id));
    const before = await Promise.all(sockets.map(askRoute));

    berth.kill('SIGKILL');
    await eventually('the proxy ended by itself', () => !isAlive(proxyPid));
    expect(pids.filter(isAlive)).toEqual(pids);

    const next = await harness.openRuntime();
    expect(await next.list()).toEqual([...ids].sort());
    for (const [index, id] of ids.entries()) {
      expect(await next.inspect(id)).toBe('detached');
      const request = harness.request(id);
      expect(await next.start(request)).toEqual({ adopted: true });
      const told = await askRoute(harness.socket(id));
      expect(told?.placeholder).toBe(before[index]?.placeholder);
      expect(told?.digest).toBe(createHash('sha256').update(request.proxyToken).digest('hex'));
    }
    expect(pids.filter(isAlive)).toEqual(pids);
    await next.close();
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('lets the next Berth stop and destroy what it finds without starting it', async () => {
    const request = harness.request();
    const { berth } = await runBerth(harness, [request]);
    const pid = await harness.runnerPid(request.workspaceId);
    berth.kill('SIGKILL');
    await once(berth, 'exit');
    const next = await harness.openRuntime();
    await next.destroy(request.workspaceId);
    expect(isAlive(pid)).toBe(false);
    expect(await next.list()).toEqual([]);
  });
});
