import { systemIds } from '../../kernel/index.js';
import type { RuntimeStart } from '../runtime.js';
import { FakeRuntime } from './fake-runtime.js';

const request = (workspaceId: string): RuntimeStart => ({
  organizationId: systemIds.next(),
  workspaceId,
  repository: { type: 'file', url: 'file:///r', path: '/r' },
  agent: 'claude',
  runnerToken: 'r',
  proxyToken: 'p',
  git: null,
});

describe('FakeRuntime', () => {
  it('keeps the promises of the port', async () => {
    const runtime = new FakeRuntime();
    const id = systemIds.next();
    expect(await runtime.inspect(id)).toBe('absent');
    expect(await runtime.start(request(id))).toEqual({ adopted: false });
    expect(await runtime.start(request(id))).toEqual({ adopted: true });
    expect(await runtime.inspect(id)).toBe('running');
    runtime.crash(id);
    expect(await runtime.inspect(id)).toBe('stopped');
    expect(await runtime.start(request(id))).toEqual({ adopted: false });
    await runtime.stop(id);
    expect(await runtime.list()).toEqual([id]);
    await runtime.destroy(id);
    await runtime.destroy(id);
    expect(await runtime.list()).toEqual([]);
    expect(runtime.callsOf('start').map(({ workspaceId }) => workspaceId)).toEqual([id, id, id]);
  });

  it('fails as often as it was told to, and changes nothing then', async () => {
    const runtime = new FakeRuntime();
    const id = systemIds.next();
    runtime.failNext('start', new Error('no'), 2);
    await expect(runtime.start(request(id))).rejects.toThrow('no');
    await expect(runtime.start(request(id))).rejects.toThrow('no');
    expect(await runtime.inspect(id)).toBe('absent');
    await runtime.start(request(id));
    runtime.failNext('stop');
    await expect(runtime.stop(id)).rejects.toMatchObject({ code: 'runtime-failed' });
    expect(await runtime.inspect(id)).toBe('running');
  });

  it('stops everything when it closes', async () => {
    const runtime = new FakeRuntime();
    const id = systemIds.next();
    await runtime.open();
    await runtime.start(request(id));
    await runtime.close();
    expect(runtime.isOpen).toBe(false);
    expect(await runtime.inspect(id)).toBe('stopped');
  });
});
